"""What is believed of each strategy on each asset, and of the whole set, from the test spans known then."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from python_steps import sharpe
from python_steps.belief_confidence import UNKNOWN, Confidence, Forecaster
from python_steps.belief_gates import first_variants, reasons
from python_steps.belief_inputs import Study
from python_steps.belief_records import Record, Spans, by_window, record_of, spans_at, sum_assets
from python_steps.belief_replicates import replicates
from python_steps.dependence import effective_observations
from python_steps.executors import Fan
from python_steps.policy import Policy
from python_steps.reality_check import RealityCheck, check
from python_steps.strategy_weighting import in_regime, score
from python_steps.weightings import Shown

Array = np.ndarray

CONSISTENCY, DSR, LUCK_DSR, PBO = 2, 4, 6, 7  # places in OVERFIT
OVERFIT = [
    "train_test_gap", "cv_stability", "regime_consistency", "psr", "dsr", "dsr_effective", "luck_dsr", "pbo",
    "min_track_record", "effective_trials", "min_backtest_length", "observations", "effective_observations",
]  # fmt: skip
MOST = 8  # spans in a block: their grounds hold all replicates
CASH, ALWAYS_LONG = "cash", "always_long"  # what the whole set has to beat; the second is a strategy of it


class Evidence(NamedTuple):
    """What is believed until another test span is known; arrays A by S, replicates S by A by draws."""

    adopted: Array
    reason: Array
    is_pooled: Array
    trades: Array
    drawdown: Array
    expected_net: Array
    windows: Array
    negative: Array
    shown: Shown
    expected_return: Array
    overfit: Array
    checks: list[RealityCheck]
    confidence: Confidence
    replicates: Array


class Hurdles(NamedTuple):
    """What deflates a Sharpe: variance of trials, as seen and by luck alone, and their effective number."""

    variance: float
    luck_variance: float
    effective_trials: int


class Grounds(NamedTuple):
    """What the known spans say whatever was held: evidence by regime, less the row and the confidence of the
    whole set; and what these are made of: decisions (T), where there is a profit (S by A by T), hurdles, PBO.
    """

    by_regime: dict[str, Evidence]
    columns: Array
    rows: Array
    hurdles: Hurdles
    pbo: float


class Judge:
    """Evidence at an instant, made again only when other test spans are known."""

    def __init__(self, study: Study, policy: Policy, decisions_per_year: float, trials: int) -> None:
        self.ahead: Iterator[Grounds] = iter(())
        self.study, self.policy, self.per_year, self.trials = study, policy, decisions_per_year, trials
        self.key: tuple[bytes, bytes] | None = None
        self.by_regime: dict[str, Evidence] = {}
        self.forecaster = Forecaster(study, policy, decisions_per_year)

    def at(self, instant: int, weights: Array) -> Evidence:
        """Evidence from what is known at `instant`; `weights` (S by A by D) are those in force before."""
        spans = spans_at(self.study, instant)
        key = _key(spans)
        if key != self.key:
            grounds = next(self.ahead, None) or self.grounds(spans)
            self.key, self.by_regime = key, self._judged(grounds, spans, weights)
        regime = str(self.study.regime[np.searchsorted(self.study.instants, instant)])
        return self.by_regime.get(regime, self.by_regime[""])

    def look_ahead(self, instants: Array, fan: Fan) -> None:
        """Have the grounds worked on of all spans that `at` will meet at these instants, in their order."""
        if not fan.is_parallel:
            return
        known: list[Spans] = []
        for instant in instants:
            spans = spans_at(self.study, int(instant))
            if not known or _key(spans) != _key(known[-1]):
                known.append(spans)
        study = self.study._replace(position=self.study.position[..., :0])  # which grounds do not hang on
        judge = Judge(study, self.policy, self.per_year, self.trials)
        self.ahead = fan("Test spans judged", judge.grounds, known, len(known), most=MOST)

    def _judged(self, grounds: Grounds, spans: Spans, weights: Array) -> dict[str, Evidence]:
        """Evidence by the regime of the decision, and under '' whatever that is, with the whole set's row.

        That stands on the ensemble, the strategies weighted as they were in force at each decision.
        """
        ensemble = self._ensemble(grounds, spans, weights)
        row = self._evidence_row(grounds.columns, ensemble, grounds.hurdles)
        row[PBO] = grounds.pbo
        confidence = self.forecaster.confidence(spans, ensemble, float(row[DSR] * (1 - row[PBO])))
        overfit = np.vstack([grounds.by_regime[""].overfit, row])
        return {
            regime: evidence._replace(overfit=overfit, confidence=confidence)
            for regime, evidence in grounds.by_regime.items()
        }

    def grounds(self, spans: Spans) -> Grounds:
        """What these spans say, and no weight has a part in."""
        record = record_of(self.study, spans)
        found = sharpe.moments(record.net, record.has)
        error = sharpe.sharpe_error(found.sharpe, found.observations, found.skew, found.kurtosis)
        hurdles = self._hurdles(record, found)
        overfit = self._overfit(record, spans, hurdles)
        unit, is_pooled = self._judged_on(record)

        def judged(values: Array) -> Array:
            return np.take_along_axis(values, unit, axis=1)

        drawdown = judged(sharpe.max_drawdown(record.net))
        counts = judged((np.isfinite(record.window_mean)).sum(axis=2))
        negative = judged((record.window_mean < 0).sum(axis=2))
        root = math.sqrt(self.per_year)
        turnover, stability = judged(record.turnover) * self.per_year / 12, judged(record.stability)
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = judged((found.mean / found.sharpe) ** 2)
        t_values = record.window_sharpe * math.sqrt(self._span())
        t_values = np.where(np.isfinite(record.window_mean) & np.isnan(t_values), 0.0, t_values)
        earned_in = np.take_along_axis(t_values, unit[..., None], axis=1).transpose(1, 0, 2)

        def shown(ratio: Array, its_error: Array) -> Shown:
            """What is shown with this Sharpe and its error, per decision."""
            annual, annual_error = judged(ratio) * root, judged(its_error) * root
            scores = score(annual, annual_error, turnover, -drawdown, stability, self.policy.score)
            return Shown(scores.T, annual.T, annual_error.T, variance.T, earned_in)

        whole = shown(found.sharpe, error)
        size = record.size.sum(axis=2)
        earned = np.where(size > 0, record.gross.sum(axis=2) / np.where(size > 0, size, 1.0), np.nan)
        trades, expected_net = judged(record.trades), judged(found.mean)
        reason = reasons(
            self.policy,
            first_variants(self.study.strategies, self.study.base_of, record.window_sharpe[:, -1]),
            trades,
            drawdown,
            expected_net,
            counts,
            negative,
            whole.score.T,
            overfit[:, LUCK_DSR],
            overfit[:, CONSISTENCY],
        )
        adopted = reason == "adopted"
        evidence = Evidence(
            adopted=adopted.T,
            reason=reason.T,
            is_pooled=is_pooled.T,
            trades=trades.T,
            drawdown=np.where(counts > 0, drawdown, np.nan).T,
            expected_net=expected_net.T,
            windows=counts.T,
            negative=negative.T,
            shown=whole,
            expected_return=judged(earned).T,
            overfit=overfit,
            checks=self._checks(record),
            confidence=UNKNOWN,
            replicates=replicates(self.study, record, unit, adopted, self.policy.seed),
        )
        by_regime = {
            regime: evidence._replace(shown=shown(*both))
            for regime, both in self._by_regime(record, found.sharpe, error).items()
        }
        is_there = record.has[:, -1].any(axis=0)
        pbo = sharpe.cscv_pbo(np.ascontiguousarray(record.net[:, -1, is_there].T))
        return Grounds({"": evidence} | by_regime, record.columns, record.rows, hurdles, pbo)

    def _by_regime(self, record: Record, whole: Array, error: Array) -> dict[str, tuple[Array, Array]]:
        """Sharpe and error of each strategy and unit in each regime; none unless the policy asks for it."""
        prior, labels = self.policy.score.regime_prior, self.study.regime[record.columns]
        if prior is None:
            return {}
        found = {}
        for regime in np.unique(labels[labels != ""]):
            own = sharpe.moments(record.net, record.has & (labels == regime))
            own_error = sharpe.sharpe_error(own.sharpe, own.observations, own.skew, own.kurtosis)
            found[str(regime)] = in_regime(whole, error, own.sharpe, own_error, own.observations, prior)
        return found

    def _span(self) -> int:
        """Decisions of a test span; all are laid out alike, and a record means that the first one is over."""
        return max(1, int((self.study.window_of == 0).sum()))

    def _judged_on(self, record: Record) -> tuple[Array, Array]:
        """The unit each strategy and asset is judged on: itself, or its class where it traded too little."""
        assets = len(self.study.symbols)
        is_pooled = record.trades[:, :assets] < self.policy.gates.minimum_trades
        return np.where(is_pooled, assets + self.study.class_of, np.arange(assets)), is_pooled

    def _overfit(self, record: Record, spans: Spans, hurdles: Hurdles) -> Array:
        """Columns OVERFIT for each strategy, which stands on its mean net return over all assets."""
        series = [(record.net[s, -1], record.has[s, -1]) for s in range(len(self.study.strategies))]
        rows = [self._evidence_row(record.columns, one, hurdles) for one in series]
        overfit = np.array(rows).reshape(-1, len(OVERFIT))
        overfit[:, 0] = [self._gap(s, spans) for s in range(len(series))]
        return overfit

    def _checks(self, record: Record) -> list[RealityCheck]:
        """Whether the best of the set beats cash, and being always in, by more than luck.

        A strategy counts as the benchmark where it has no record of its own.
        """
        net, has, names = record.net[:, -1], record.has[:, -1], self.study.strategies
        there = has.any(axis=0)
        found = [check(net[:, there], names, CASH, self.policy.seed)]
        if ALWAYS_LONG in names:
            passive = names.index(ALWAYS_LONG)
            gains = np.where(has & has[passive], net - net[passive], 0.0)
            found.append(check(gains[:, there], names, ALWAYS_LONG, self.policy.seed))
        return found

    def _hurdles(self, record: Record, found: sharpe.Moments) -> Hurdles:
        """What the best of the trials would show by luck, from the strategies' records on the whole set."""
        whole = sharpe.Moments(*(values[:, -1] for values in found))
        defined = whole.sharpe[np.isfinite(whole.sharpe)]
        variance = float(np.var(defined, ddof=1)) if len(defined) > 1 else float("nan")
        worth = [_worth(net, has) for net, has in zip(record.net[:, -1], record.has[:, -1], strict=True)]
        errors = sharpe.sharpe_error(whole.sharpe, np.array(worth), whole.skew, whole.kurtosis)
        correlation = sharpe.mean_correlation(record.net[:, -1], record.has[:, -1])
        effective = sharpe.effective_trials(correlation, self.trials)
        return Hurdles(variance, sharpe.luck_variance(variance, errors), effective)

    def _evidence_row(self, columns: Array, series: tuple[Array, Array], hurdles: Hurdles) -> list[float]:
        """Columns OVERFIT of one series over the decisions of a record; gap and PBO are left undefined.

        Probabilities count as many observations as there would be if none held on to what another held.
        """
        net, has = series
        worth = _worth(net, has)
        found = sharpe.moments(net, has)
        _, ratio, error, _ = by_window(net[None, None], has[None, None], self.study.window_of[columns])
        labels = self.study.regime[columns]
        is_labelled = has & (labels != "")
        shape = (found.skew, found.kurtosis)

        def deflated(variance: float, trials: int) -> float:
            return float(sharpe.deflated_sharpe(found.sharpe, variance, trials, worth, *shape))

        return [
            float("nan"),
            float(sharpe.cv_stability(ratio[0, 0], error[0, 0])),
            sharpe.regime_consistency(net[is_labelled], labels[is_labelled]),
            float(sharpe.probabilistic_sharpe(found.sharpe, 0.0, worth, *shape)),
            deflated(hurdles.variance, self.trials),
            deflated(hurdles.variance, hurdles.effective_trials),
            deflated(hurdles.luck_variance, self.trials),
            float("nan"),
            float(sharpe.minimum_track_record(found.sharpe, 0.0, *shape)),
            float(hurdles.effective_trials),
            float(sharpe.minimum_backtest_length(found.sharpe, self.trials)),
            float(found.observations),
            float(worth),
        ]

    def _gap(self, strategy: int, spans: Spans) -> float:
        """Train-test gap of a fitted strategy, from annual Sharpes averaged over assets in each window."""
        if not self.study.is_fitted[strategy]:
            return float("nan")
        pairs = spans.pairs[strategy] & spans.groups[-1]
        pairs &= self.study.listed_at[:, None] <= self.study.test_from
        both: list[Array] = []
        for source in (self.study.train_sharpe, self.study.test_sharpe):
            is_defined = pairs & np.isfinite(source[strategy])
            both.append(np.array([_mean(source[strategy, part, w]) for w, part in enumerate(is_defined.T)]))
        return sharpe.train_test_gap(*both)

    def _ensemble(self, grounds: Grounds, spans: Spans, weights: Array) -> tuple[Array, Array]:
        """Net return of the strategies as weighted then, mean over assets, and where there is one."""
        columns = grounds.columns
        used = np.take(weights, columns, axis=2)
        rows = grounds.rows & spans.groups[-1][self.study.window_of[columns]] & np.isfinite(used)
        net = np.where(rows, used * np.take(self.study.net, columns, axis=2), 0.0)
        by_asset = np.zeros(net.shape[1:])
        for strategy in net:
            by_asset += strategy
        count = rows.any(axis=0).sum(axis=0)
        everything = sum_assets(by_asset[None], self.study.groups[-1])[0]
        return everything / np.maximum(count, 1), count > 0


def _key(spans: Spans) -> tuple[bytes, bytes]:
    return spans.pairs.tobytes(), spans.groups.tobytes()


def _worth(net: Array, has: Array) -> Array:
    """Independent observations that a series is worth, where it has any."""
    return np.array(effective_observations(net[has]))


def _mean(values: Array) -> float:
    return math.fsum(values) / len(values) if len(values) else float("nan")
