"""What final weights obey, as numbers for one decision: bounds, groups, turnover, volatility.

A cluster is a connected component of the graph that joins two assets whose correlation is at least
the policy's, so an asset stands in one cluster at most. Limits are named for the log: 'asset X',
'change X', 'class crypto', 'cluster A+B', 'sum' or 'sum in risk_off', 'turnover', 'volatility',
'cardinality', 'minimum trade'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse.csgraph import connected_components

from python_steps import covariances, policy

NO_VARIANCE = 1e-20


@dataclass(frozen=True, eq=False)
class Group:
    """Assets whose weights together are at most `limit`; `members` is a mask over the symbols."""

    name: str
    members: np.ndarray
    limit: float


@dataclass(frozen=True, eq=False)
class Limits:
    """Limits of one decision; arrays are in the order of `symbols`, which are sorted.

    `turnover` is half the sum of changes, cash included. `volatility` is PER DECISION: the norm of
    `factor @ weights` is at most that, where factor' factor is the covariance (columns of 0 for
    assets without one). `risk_aversion` and `risk_budgets` (shares of the risk by class; none: equal) are no
    limits, but allocators read them here. At most `cardinality` assets are held, and no trade is smaller than
    `minimum_trade`, a share of net asset value, unless it sells all there is.
    """

    symbols: tuple[str, ...]
    upper: np.ndarray
    classes: tuple[Group, ...]
    clusters: tuple[Group, ...]
    change: float
    turnover: float | None
    volatility: float | None
    factor: np.ndarray
    risk_aversion: float
    sum_limit: float = 1.0
    sum_name: str = "sum"
    risk_budgets: Mapping[str, float] = field(default_factory=dict)
    cardinality: int | None = None
    minimum_trade: float = 0.0

    @property
    def total(self) -> Group:
        """The limit on the sum of all risky weights."""
        return Group(self.sum_name, np.ones(len(self.symbols), dtype=bool), self.sum_limit)

    @property
    def groups(self) -> tuple[Group, ...]:
        """Classes, the sum, then clusters: the order in which the projection treats them."""
        return (*self.classes, self.total, *self.clusters)

    def of(self, symbols: Sequence[str]) -> "Limits":
        """The same limits over some of the symbols, given in sorted order; empty groups are dropped."""
        if tuple(symbols) == self.symbols:
            return self
        keep = np.isin(np.array(self.symbols), np.array(symbols))
        return replace(
            self,
            symbols=tuple(symbol for symbol, kept in zip(self.symbols, keep, strict=True) if kept),
            upper=self.upper[keep],
            classes=_narrowed(self.classes, keep),
            clusters=_narrowed(self.clusters, keep),
            factor=self.factor[:, keep],
        )


def build(
    wanted: policy.Policy,
    symbols: Sequence[str],
    asset_classes: Sequence[str],
    returns: np.ndarray,
    covariance: np.ndarray,
    measured: np.ndarray,
    decisions_per_year: float,
    regime: str,
) -> Limits:
    """Limits of one decision from the policy.

    `symbols` are sorted, with their `asset_classes`; `returns` are the last simple returns per
    decision (T x N, NaN where unknown); `covariance` is per decision, over the assets that the mask
    `measured` names; `regime` is what the policy's detector says at the decision. An asset whose class
    the policy does not name gets an upper bound of 0.
    """
    bounds = wanted.limits
    names = np.array(asset_classes, dtype=object)
    known = np.isin(names, list(wanted.universe.asset_classes))
    annual = bounds.volatility
    in_regime = (bounds.regimes or {}).get(regime, 1.0)  # type: ignore[call-overload] # a detector may have others
    return Limits(
        symbols=tuple(symbols),
        upper=np.where(known, bounds.asset, 0.0),
        classes=tuple(
            Group(f"class {name}", names == name, limit)
            for name, limit in sorted(bounds.asset_classes.items())
            if (names == name).any()
        ),
        clusters=clusters(returns, symbols, bounds.cluster),
        change=bounds.change,
        turnover=bounds.turnover,
        volatility=None if annual is None else annual / float(np.sqrt(decisions_per_year)),
        factor=_factor(covariance, measured),
        risk_aversion=wanted.risk_aversion,
        sum_limit=in_regime,
        sum_name=f"sum in {regime}" if in_regime < 1.0 else "sum",
        cardinality=bounds.cardinality,
        minimum_trade=bounds.minimum_trade,
        risk_budgets={str(name): share for name, share in sorted(wanted.risk_budgets.items())},
    )


def clusters(returns: np.ndarray, symbols: Sequence[str], bound: policy.Cluster) -> tuple[Group, ...]:
    """Groups of assets that move together, by symbol.

    Correlations are of overlapping returns over the last `bound.decisions` decisions; an asset with
    fewer known ones, or one that did not move, is in no cluster.
    """
    window = returns[-bound.decisions :]
    known = (
        np.flatnonzero(np.isfinite(window).all(axis=0)) if len(window) == bound.decisions else np.array([])
    )
    if len(known) < 2:
        return ()
    matrix = np.cov(covariances.overlapping_returns(np.ascontiguousarray(window[:, known])), rowvar=False)
    moved = np.diag(matrix) > NO_VARIANCE
    if moved.sum() < 2:
        return ()
    known, matrix = known[moved], matrix[np.ix_(moved, moved)]
    joined = covariances.correlation(matrix) >= bound.correlation
    count, labels = connected_components(joined, directed=False)
    groups = [known[labels == label] for label in range(count)]
    return tuple(_cluster(group, symbols, bound.limit) for group in groups if len(group) > 1)


def _cluster(positions: np.ndarray, symbols: Sequence[str], limit: float) -> Group:
    members = np.zeros(len(symbols), dtype=bool)
    members[positions] = True
    return Group("cluster " + "+".join(symbols[position] for position in positions), members, limit)


def _narrowed(groups: tuple[Group, ...], keep: np.ndarray) -> tuple[Group, ...]:
    return tuple(replace(group, members=group.members[keep]) for group in groups if group.members[keep].any())


def _factor(covariance: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """K x N, so that the norm of factor @ weights is the volatility of weights."""
    factor = np.zeros((len(covariance), len(measured)))
    if len(covariance) and np.isfinite(covariance).all():
        factor[:, measured] = np.linalg.cholesky(covariance).T
    return factor
