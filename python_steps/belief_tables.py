"""Rows of the output tables, from what was believed at each decision."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from python_steps.belief_confidence import Bin, Confidence
from python_steps.belief_ensembles import Regret
from python_steps.belief_evidence import OVERFIT, Evidence
from python_steps.belief_inputs import Study
from python_steps.reality_check import RealityCheck

Array = np.ndarray

COLUMN_TYPES = {str: "str", str | None: "str", int: "int64", float: "float64", bool: "bool"}


class Tables:
    """Rows for the decisions wanted, from what was believed at each."""

    def __init__(
        self,
        study: Study,
        wanted: Array,
        found: list[Evidence],
        places: Array,
        portfolio: str,
        run_id: str,
    ) -> None:
        self.study, self.wanted, self.found, self.places = study, wanted, found, places
        self.portfolio, self.run_id = portfolio, run_id
        self.now = np.searchsorted(study.instants, wanted)
        self.is_there = np.isfinite(np.take(study.position, self.now, axis=2)).transpose(2, 1, 0)
        self.decision, self.asset, self.strategy = np.nonzero(self.is_there)

    def gates(self) -> pd.DataFrame:
        """Rows of strategy_gates."""
        return self._by_strategy(
            is_adopted=self._believed("adopted", bool),
            reason=self._reasons(),
            is_pooled=self._believed("is_pooled", bool),
            trades=self._believed("trades", np.int64),
            max_drawdown=self._believed("drawdown", float),
            expected_net_return=self._believed("expected_net", float),
            windows=self._believed("windows", np.int64),
            negative_windows=self._believed("negative", np.int64),
        )

    def weights(self, weights: Array) -> pd.DataFrame:
        """Rows of strategy_weights; `weights` (S by A by D) are those in force."""
        here = (self.strategy, self.asset, self.now[self.decision])
        return self._by_strategy(
            score=self._stacked([evidence.shown.score for evidence in self.found], float),
            weight=weights[here],
            position=self.study.position[here],
            expected_return=self._believed("expected_return", float),
        )

    def views(self, views: list[tuple[Array, Array, Array]]) -> pd.DataFrame:
        """Rows of expected_returns, from view, error and shrunk view at each decision."""
        decision, asset = np.nonzero(self.is_there.any(axis=2))
        view, error, shrunk = np.array(views).reshape(-1, 3, len(self.study.symbols)).transpose(1, 0, 2)
        here = (decision, asset)
        values = {"ensemble_view": view[here], "standard_error": error[here], "shrunk_view": shrunk[here]}
        return self._frame(decision, {"symbol": _text(self.study.symbols, asset), **values})

    def overfit(self, trials: int) -> pd.DataFrame:
        """Rows of overfit_metrics; `all` is the whole set."""
        strategies = self.is_there.any(axis=1)
        decision, strategy = np.nonzero(np.append(strategies, np.ones((len(self.wanted), 1), bool), axis=1))
        stacked = np.array([evidence.overfit for evidence in self.found])
        values = stacked[self.places[decision], strategy] if len(decision) else np.empty((0, len(OVERFIT)))
        names = [*self.study.strategies, "all"]
        columns = {"strategy": _text(names, strategy), **dict(zip(OVERFIT, values.T, strict=True))}
        columns["trials"] = np.full(len(decision), trials, dtype=np.int64)
        return self._frame(decision, columns)

    def checks(self) -> pd.DataFrame:
        """Rows of reality_checks."""
        return self._listed([evidence.checks for evidence in self.found], RealityCheck)

    def confidences(self) -> pd.DataFrame:
        """Rows of confidences."""
        fields = Confidence._fields[:-1]
        return self._listed([[evidence.confidence] for evidence in self.found], Confidence)[
            ["portfolio", "decision_at", *fields, "known_at", "run_id"]
        ]

    def reliability(self) -> pd.DataFrame:
        """Rows of forecast_reliability."""
        return self._listed([evidence.confidence.bins for evidence in self.found], Bin)

    def _listed(self, found: Sequence[Sequence[tuple]], kind: Any) -> pd.DataFrame:
        """The rows that were found (named tuples of a kind), again at each decision at which they count."""
        counts = np.array([len(rows) for rows in found], dtype=int)
        starts = np.append(0, np.cumsum(counts))[:-1]
        repeated = counts[self.places] if len(counts) else counts
        decision = np.repeat(np.arange(len(self.wanted)), repeated)
        within = np.arange(len(decision)) - np.repeat(np.cumsum(repeated) - repeated, repeated)
        every = pd.DataFrame([row for rows in found for row in rows], columns=list(kind._fields))
        every = every.astype(
            {name: COLUMN_TYPES[of] for name, of in kind.__annotations__.items() if of in COLUMN_TYPES}
        )
        chosen = every.iloc[starts[self.places[decision]] + within] if len(decision) else every
        return self._frame(decision, {name: chosen[name].reset_index(drop=True) for name in kind._fields})

    def _believed(self, field: str, kind: type) -> Array:
        return self._stacked([getattr(evidence, field) for evidence in self.found], kind)

    def ensembles(self, methods: list[str], exposures: list[Array]) -> pd.DataFrame:
        """Rows of ensemble_exposures: what each method would hold (methods by assets) at each decision."""
        shape = (len(self.wanted), len(methods), len(self.study.symbols))
        stacked = np.array(exposures).reshape(shape)
        is_there = np.broadcast_to(self.is_there.any(axis=2)[:, None], shape)
        decision, method, asset = np.nonzero(is_there)
        names = {"method": _text(methods, method), "symbol": _text(self.study.symbols, asset)}
        return self._frame(decision, {**names, "exposure": stacked[is_there]})

    def ensemble_weights(self, methods: list[str], weights: Array) -> pd.DataFrame:
        """Rows of ensemble_weights (methods by A by S) above zero, at the last decision with positions."""
        decided = np.flatnonzero(self.is_there.any(axis=(1, 2)))
        method, asset, strategy = np.nonzero(weights > 0) if len(decided) else np.empty((3, 0), dtype=int)
        last = np.full(len(method), decided[-1] if len(decided) else 0)
        names = {
            "method": _text(methods, method),
            "symbol": _text(self.study.symbols, asset),
            "strategy": _text(self.study.strategies, strategy),
        }
        return self._frame(last, {**names, "weight": weights[method, asset, strategy]})

    def regrets(self, regrets: list[dict[str, Regret]]) -> pd.DataFrame:
        """Rows of weighting_regrets, where at least two strategies are adopted."""
        methods = sorted(regrets[0]) if regrets else []
        stacked = np.array([[found[name] for name in methods] for found in regrets], dtype=float)
        stacked = stacked.reshape(
            len(self.wanted), len(methods), len(Regret._fields), len(self.study.symbols)
        )
        decision, method, asset = np.nonzero(stacked[:, :, 0] > 1)
        names = {"method": _text(methods, method), "symbol": _text(self.study.symbols, asset)}
        values = stacked[decision, method, :, asset].T
        columns = dict(zip(Regret._fields, values, strict=True))
        counts = {name: columns[name].astype(np.int64) for name in ("strategies", "spans")}
        return self._frame(decision, {**names, **columns, **counts})

    def _stacked(self, values: list[Array], kind: type) -> Array:
        stacked = np.array(values, dtype=kind).reshape((len(self.found), *self.is_there.shape[1:]))
        return stacked[self.places[self.decision], self.asset, self.strategy]

    def _reasons(self) -> pd.Series:
        stacked = [evidence.reason.ravel() for evidence in self.found]
        codes, names = pd.factorize(np.concatenate(stacked) if stacked else np.empty(0, dtype=object))
        here = (self.places[self.decision], self.asset, self.strategy)
        return _text(list(names), codes.reshape(len(self.found), *self.is_there.shape[1:])[here])

    def _by_strategy(self, **columns: Array | pd.Series) -> pd.DataFrame:
        keys = {
            "symbol": _text(self.study.symbols, self.asset),
            "strategy": _text(self.study.strategies, self.strategy),
        }
        return self._frame(self.decision, {**keys, **columns})

    def _frame(self, decision: Array, columns: dict[str, Array | pd.Series]) -> pd.DataFrame:
        instants = self.wanted[decision].astype("datetime64[us]")
        zeros = np.zeros(len(decision), dtype=int)
        first = {"portfolio": _text([self.portfolio], zeros), "decision_at": instants}
        last = {"known_at": instants, "run_id": _text([self.run_id], zeros)}
        return pd.DataFrame({**first, **columns, **last})


def _text(names: list[str], codes: Array) -> pd.Series:
    """Names by code, as a column of text; null for a code below 0."""
    taken = pa.array(names, pa.large_string()).take(pa.array(codes, mask=codes < 0))
    return pd.Series(pd.StringDtype(na_value=np.nan).__from_arrow__(taken))  # six times as fast as categories
