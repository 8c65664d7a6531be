"""What is believed of each strategy on each asset, and of the whole set, from the test spans known then."""

import math
from typing import NamedTuple

import numpy as np

from python_steps import sharpe
from python_steps.belief_confidence import Confidence, Forecaster
from python_steps.belief_gates import first_variants, reasons
from python_steps.belief_inputs import Study
from python_steps.belief_records import Record, Spans, by_window, record_of, spans_at, sum_assets
from python_steps.belief_replicates import replicates
from python_steps.dependence import effective_observations
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


class Judge:
    """Evidence at an instant, made again only when other test spans are known."""

    def __init__(self, study: Study, policy: Policy, decisions_per_year: float, trials: int) -> None:
        self.study, self.policy, self.per_year, self.trials = study, policy, decisions_per_year, trials
        self.key: tuple[bytes, bytes] | None = None
        self.by_regime: dict[str, Evidence] = {}
        self.forecaster = Forecaster(study, policy, decisions_per_year)

    def at(self, instant: int, weights: Array) -> Evidence:
        """Evidence from what is known at `instant`; `weights` (S by A by D) are those in force before."""
        spans = spans_at(self.study, instant)
        key = (spans.pairs.tobytes(), spans.groups.tobytes())
        if key != self.key:
            self.key, self.by_regime = key, self._judge(spans, weights)
        regime = str(self.study.regime[np.searchsorted(self.study.instants, instant)])
        return self.by_regime.get(regime, self.by_regime[""])

    def _judge(self, spans: Spans, weights: Array) -> dict[str, Evidence]:
        """Evidence from these spans, by the regime of the decision, and under '' whatever that is."""
        record = record_of(self.study, spans)
        found = sharpe.moments(record.net, record.has)
        error = sharpe.sharpe_error(found.sharpe, found.observations, found.skew, found.kurtosis)
        overfit, confidence = self._overfit(record, spans, found, weights)
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
            overfit[:-1, LUCK_DSR],
            overfit[:-1, CONSISTENCY],
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
            confidence=confidence,
            replicates=replicates(self.study, record, unit, adopted, self.policy.seed),
        )
        by_regime = self._by_regime(record, found.sharpe, error)
        return {"": evidence} | {
            regime: evidence._replace(shown=shown(*both)) for regime, both in by_regime.items()
        }

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

    def _overfit(
        self, record: Record, spans: Spans, found: sharpe.Moments, weights: Array
    ) -> tuple[Array, Confidence]:
        """Columns OVERFIT for each strategy and last for the whole set; and the confidence.

        A strategy stands on its mean net return over all assets. The row of the whole set stands on the
        ensemble, the strategies weighted as they were in force at each decision, and has the PBO.
        """
        series = [(record.net[s, -1], record.has[s, -1]) for s in range(len(self.study.strategies))]
        ensemble = self._ensemble(record, spans, weights)
        hurdles = self._hurdles(record, found)
        rows = [self._evidence_row(record, one, hurdles) for one in (*series, ensemble)]
        overfit = np.array(rows)
        overfit[:-1, 0] = [self._gap(s, spans) for s in range(len(series))]
        is_there = record.has[:, -1].any(axis=0)
        overfit[-1, PBO] = sharpe.cscv_pbo(np.ascontiguousarray(record.net[:, -1, is_there].T))
        evidence = float(overfit[-1, DSR] * (1 - overfit[-1, PBO]))
        return overfit, self.forecaster.confidence(spans, ensemble, evidence)

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

    def _evidence_row(self, record: Record, series: tuple[Array, Array], hurdles: Hurdles) -> list[float]:
        """Columns OVERFIT of one series over the record's decisions; gap and PBO are left undefined.

        Probabilities count as many observations as there would be if none held on to what another held.
        """
        net, has = series
        worth = _worth(net, has)
        found = sharpe.moments(net, has)
        _, ratio, error, _ = by_window(net[None, None], has[None, None], self.study.window_of[record.columns])
        labels = self.study.regime[record.columns]
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

    def _ensemble(self, record: Record, spans: Spans, weights: Array) -> tuple[Array, Array]:
        """Net return of the strategies as weighted then, mean over assets, and where there is one."""
        used = np.take(weights, record.columns, axis=2)
        rows = record.rows & spans.groups[-1][self.study.window_of[record.columns]] & np.isfinite(used)
        net = np.where(rows, used * np.take(self.study.net, record.columns, axis=2), 0.0)
        by_asset = np.zeros(net.shape[1:])
        for strategy in net:
            by_asset += strategy
        count = rows.any(axis=0).sum(axis=0)
        everything = sum_assets(by_asset[None], self.study.groups[-1])[0]
        return everything / np.maximum(count, 1), count > 0


def _worth(net: Array, has: Array) -> Array:
    """Independent observations that a series is worth, where it has any."""
    return np.array(effective_observations(net[has]))


def _mean(values: Array) -> float:
    return math.fsum(values) / len(values) if len(values) else float("nan")
