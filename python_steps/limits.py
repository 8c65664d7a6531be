"""What final weights obey, as numbers for one decision: bounds, groups, turnover, volatility.

A cluster is a connected component of the graph that joins two assets whose correlation is at least
the policy's, so an asset stands in one cluster at most. Limits are named for the log: 'asset X', 'short X',
'change X', 'class crypto', 'cluster A+B', 'sum', 'gross' or 'sum in risk_off', 'net', 'turnover',
'volatility', 'cardinality', 'minimum trade'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.sparse.csgraph import connected_components

from python_steps import covariances, policy

NO_VARIANCE = 1e-20


@dataclass(frozen=True, eq=False)
class Group:
    """Assets whose weights together are at most `limit`, shorts by their size; `members` is a mask."""

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
    `minimum_trade`, a share of net asset value, unless it sells all there is. `short` is the largest size of
    a short by asset (none: none may be sold short), `gross` the most that all sizes sum to in any regime,
    `net` the least and the most of longs less shorts.
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
    short: np.ndarray | None = None
    gross: float = 1.0
    net: tuple[float, float] | None = None

    @property
    def lower(self) -> np.ndarray:
        """The least weight by asset: 0, or less where it may be sold short."""
        return np.zeros(len(self.symbols)) if self.short is None else -self.short

    @property
    def total(self) -> Group:
        """The limit on the sum of all risky weights."""
        return Group(self.sum_name, np.ones(len(self.symbols), dtype=bool), self.sum_limit)

    @cached_property
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
            short=None if self.short is None else self.short[keep],
            classes=_narrowed(self.classes, keep),
            clusters=_narrowed(self.clusters, keep),
            factor=self.factor[:, keep],
        )

    def mirrored(self, sides: np.ndarray, previous: np.ndarray) -> "Limits":
        """The limits as an allocator sees them that is shown the mirror of each asset whose side is -1.

        What is held of a mirror is as much sold short. Turnover and net tell buying from selling, which the
        mirror turns round: where anything is short, or is to be, they are left to the projection.
        """
        if (sides > 0).all() and (previous >= 0).all():
            return self
        return replace(
            self,
            upper=np.where(sides > 0, self.upper, -self.lower),
            factor=self.factor * sides,
            turnover=None,
            net=None,
        )

    @property
    def row_names(self) -> list[str]:
        """Names of the limits on several assets, as `rows` gives them."""
        return [*(group.name for group in self.groups), *(("net", "net") if self.net is not None else ())]

    def rows(self, sides: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and bounds of the limits on several assets: rows @ weights is at most the bounds.

        Holds for weights of the given sides (1 or -1 by asset): a group counts a short by its size.
        """
        rows = [group.members * sides for group in self.groups]
        bounds = [group.limit for group in self.groups]
        if self.net is not None:
            rows += [np.ones(len(sides)), -np.ones(len(sides))]
            bounds += [self.net[1], -self.net[0]]
        return np.array(rows, dtype=float), np.array(bounds)


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
    gross = 1.0 if bounds.gross is None else bounds.gross
    in_regime = min(gross, (bounds.regimes or {}).get(regime, gross))  # type: ignore[call-overload] # a detector may have others
    whole = "sum" if bounds.gross is None else "gross"
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
        sum_name=f"sum in {regime}" if in_regime < gross else whole,
        cardinality=bounds.cardinality,
        minimum_trade=bounds.minimum_trade,
        risk_budgets={str(name): share for name, share in sorted(wanted.risk_budgets.items())},
        short=None if bounds.short is None else np.where(known, bounds.short, 0.0),
        gross=gross,
        net=_net(bounds.net, gross),
    )


def _net(told: tuple[float, float] | None, gross: float) -> tuple[float, float] | None:
    """Least and most of longs less shorts; without either, more than 1 could be held on borrowed money."""
    return (-gross, 1.0) if told is None and gross > 1.0 else told


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
