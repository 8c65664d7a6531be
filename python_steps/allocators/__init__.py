"""How much of each asset: one allocator a file, named by it.

`allocate(views, covariance, limits)` gives weights by symbol; what is missing to 1 is cash. `views`
is indexed by symbol, with ensemble_view, standard_error and shrunk_view (all PER DECISION, as the
covariance is), asset_class, previous_weight and cost_rate (one way). A module with
`IS_RISK_BASED = True` takes only assets with a shrunk view above 0, and gives its risk-based weight
times 1 - s²/v², never renormalised (rule 6).
"""

import numpy as np
import pandas as pd


def believed(views: pd.DataFrame) -> pd.Series:
    """1 - s²/v² by symbol, in [0, 1]: the share of a view that its error leaves; 0 for a view not above 0."""
    view, error = views["ensemble_view"].to_numpy(float), views["standard_error"].to_numpy(float)
    taken = (view > 0) & (views["shrunk_view"].to_numpy(float) > 0)
    ratio = np.divide(error, view, out=np.ones_like(view), where=taken)
    return pd.Series(np.clip(1.0 - ratio * ratio, 0.0, 1.0), index=views.index)
