"""Weightings: each module has weigh(shown, adopted, knobs), the shares of the adopted strategies in an asset.

Shares come from what is known at the decision alone, before they are smoothed, clipped, capped and spread,
which strategy_weighting.py does to all alike.
"""

from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Shown(NamedTuple):
    """What strategies have shown on each asset by a decision, from test spans known then.

    Arrays are assets by strategies. `score` is that of rule 3; `sharpe` and its `error` are annual;
    `variance` is that of the net return of a decision. `spans` has an axis more, the test spans: what each
    earned over its standard error (its Sharpe per decision times the root of a span's length), NaN where it
    is not known. All but the spans are finite where a strategy is adopted.
    """

    score: Array
    sharpe: Array
    error: Array
    variance: Array
    spans: Array
