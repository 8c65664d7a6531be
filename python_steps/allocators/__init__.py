"""How much of each asset: one allocator a file, named by it.

`allocate(views, covariance, limits)` gives weights by symbol; what is missing to 1 is cash. `views`
is indexed by symbol, with ensemble_view, standard_error and shrunk_view (all PER DECISION, as the
covariance is), asset_class, previous_weight and cost_rate (one way). A module with
`IS_RISK_BASED = True` takes only assets with a shrunk view above 0, and gives its risk-based weight
times 1 - s²/v², never renormalised (rule 6). One with `WANTS_SCENARIOS = True` is handed a fourth
argument, `scenarios`: S x N returns by symbol, as scenarios.py draws them. `VARIANT` says in a few words
which of the known variants of the method a file is; it is logged with each weight.
"""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pandas as pd

from python_steps.limits import Limits

VIEW = ("ensemble_view", "standard_error", "shrunk_view")

Weigh = Callable[[np.ndarray, list[str]], np.ndarray]


def ask(
    allocator: ModuleType,
    views: pd.DataFrame,
    covariance: pd.DataFrame,
    limits: Limits,
    draw: Callable[[], pd.DataFrame],
) -> pd.Series:
    """What the allocator says; scenarios are drawn only for one that wants them."""
    wanted = (draw(),) if getattr(allocator, "WANTS_SCENARIOS", False) else ()
    return allocator.allocate(views, covariance, limits, *wanted)


def believed(view: np.ndarray, error: np.ndarray, shrunk: np.ndarray) -> np.ndarray:
    """1 - s²/v² by asset, in [0, 1]: the share of a view that its error leaves; 0 for a view not above 0."""
    taken = (view > 0) & (shrunk > 0)
    ratio = np.divide(error, view, out=np.ones_like(view), where=taken)
    return np.clip(1.0 - ratio * ratio, 0.0, 1.0)


def risk_based(views: pd.DataFrame, covariance: pd.DataFrame, weigh: Weigh) -> pd.Series:
    """h(1 - s²/v²) by symbol; `weigh` gives h from the covariance and symbols of the assets it may take.

    Those have a shrunk view above 0, and come sorted by symbol.
    """
    share = believed(*(views[name].to_numpy(float) for name in VIEW))
    symbols = views.index.to_numpy(dtype=object)
    taken = np.array(sorted(np.flatnonzero(share > 0), key=lambda place: symbols[place]), dtype=int)
    weights = np.zeros(len(symbols))
    if len(taken):
        place = {symbol: at for at, symbol in enumerate(covariance.index.tolist())}
        places = [place[symbol] for symbol in symbols[taken]]
        block = covariance.to_numpy(float)[np.ix_(places, places)]
        weights[taken] = weigh(block, symbols[taken].tolist()) * share[taken]
    return pd.Series(weights, index=views.index)
