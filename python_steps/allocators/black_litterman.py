"""Black-Litterman: the ensemble's views, each as sure as its error says, then mean-variance on these."""

import numpy as np
import pandas as pd

from python_steps.allocators import mean_variance
from python_steps.covariances import WINDOW
from python_steps.limits import Limits

IS_RISK_BASED = False
VARIANT = "prior of cash (equilibrium 0), absolute views, Omega = squared errors, tau = 1/252"
TAU = 1.0 / WINDOW  # how unsure the prior is: as a mean estimated over the covariance's window


def allocate(views: pd.DataFrame, covariance: pd.DataFrame, limits: Limits) -> pd.Series:
    """Weights by symbol that mean_variance gives for the posterior means, under every limit but change.

    The reference portfolio is cash, so the prior mean is 0 and no view means no weight. Views are taken as
    they are, for their errors shrink them: the posterior of those given is tau S (tau S + Omega)^-1 v, and
    assets without a view (0) keep a mean of 0. Raises RuntimeError as mean_variance does. Source: Black and
    Litterman 1992, Global portfolio optimization; He and Litterman 1999 for the form.
    """
    symbols = sorted(views.index)
    view = views.loc[symbols, "ensemble_view"].to_numpy(float)
    error = views.loc[symbols, "standard_error"].to_numpy(float)
    means, unsure = posterior(view, error, covariance.loc[symbols, symbols].to_numpy(float))
    told = views.assign(shrunk_view=pd.Series(means, index=symbols).reindex(views.index))
    return mean_variance.allocate(told, covariance + pd.DataFrame(unsure, symbols, symbols), limits)


def posterior(view: np.ndarray, error: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means of N assets, and what being unsure of them adds to the N x N covariance."""
    said = np.flatnonzero(view != 0)
    means, unsure = np.zeros(len(view)), TAU * covariance
    if len(said):
        prior = unsure[:, said]
        spread = prior[said] + np.diag(error[said] ** 2)
        means[said] = prior[said] @ np.linalg.solve(spread, view[said])
        unsure = unsure - prior @ np.linalg.solve(spread, prior.T)
    return means, (unsure + unsure.T) / 2
