"""Rule 8: how likely the next test span is profitable, and what such forecasts were worth until now."""

import math
from typing import NamedTuple

import numpy as np

from python_steps import sharpe
from python_steps.belief_inputs import Study
from python_steps.belief_records import Spans, by_window, spans_at, whole_net
from python_steps.policy import Policy

Array = np.ndarray

BINS = 10


class Resolved(NamedTuple):
    """Forecasts made of each strategy as each span began, raw and calibrated as then, and their outcomes."""

    raw: Array
    calibrated: Array
    came_true: Array


class Bin(NamedTuple):
    """Forecasts of one sort that lie in a tenth: how many, their mean, and the share that came true."""

    sort: str
    bin: int
    forecasts: int
    mean_forecast: float
    share_true: float


class Confidence(NamedTuple):
    """Confidence at an instant, what it is made of, and the record of the forecasts behind it."""

    confidence: float
    raw_probability: float
    calibrated_probability: float
    is_calibrated: bool
    resolved_spans: int
    brier_score: float
    brier_calibrated: float
    bins: list[Bin]


UNKNOWN = Confidence(0.0, math.nan, math.nan, False, 0, math.nan, math.nan, [])


class Forecaster:
    """Forecasts of strategies' next test spans, each made from what was known as the span began."""

    def __init__(self, study: Study, policy: Policy, decisions_per_year: float) -> None:
        self.study = study
        self.prior = policy.score.sharpe_deviation / math.sqrt(decisions_per_year)
        # All test spans are laid out alike, and a record means that the first one is over.
        self.span = max(1, int((study.window_of == 0).sum()))
        self.forecasts: dict[int, Array] = {}
        self.corrected: dict[int, Array] = {}

    def confidence(self, spans: Spans, ensemble: tuple[Array, Array], evidence: float) -> Confidence:
        """The smaller of the calibrated probability for the ensemble and `evidence`, which is DSR (1 - PBO).

        Without a record of its own the raw probability is that of the prior, one half. Without evidence
        the confidence is 0.
        """
        raw = float(self.probability(*ensemble))
        raw = raw if math.isfinite(raw) else 0.5
        resolved = self.resolved(spans)
        calibrated = sharpe.calibrate(raw, resolved.raw, resolved.came_true)
        is_calibrated = math.isfinite(calibrated)
        believed = calibrated if is_calibrated else raw
        return Confidence(
            confidence=min(believed, evidence) if math.isfinite(evidence) else 0.0,
            raw_probability=raw,
            calibrated_probability=calibrated,
            is_calibrated=is_calibrated,
            resolved_spans=len(resolved.raw),
            brier_score=sharpe.brier_score(resolved.raw, resolved.came_true),
            brier_calibrated=sharpe.brier_score(resolved.calibrated, resolved.came_true),
            bins=[
                *_bins("raw", resolved.raw, resolved.came_true),
                *_bins("calibrated", resolved.calibrated, resolved.came_true),
            ],
        )

    def probability(self, net: Array, has: Array) -> Array:
        """Probability that the next test span is profitable, from a record of net returns."""
        found = sharpe.moments(net, has)
        error = sharpe.sharpe_error(found.sharpe, found.observations, found.skew, found.kurtosis)
        return sharpe.profit_probability(found.sharpe, error, self.prior, self.span)

    def resolved(self, spans: Spans) -> Resolved:
        """Forecasts made for each strategy at the start of each span known by now, and whether it made money.

        A strategy without a record then, or that never moved in the span, made no forecast.
        """
        found = [
            Resolved(self.forecast(window)[is_scored], self.calibrated(window)[is_scored], came_true)
            for window, is_scored, came_true in self._outcomes(spans)
        ]
        if not found:
            return Resolved(np.empty(0), np.empty(0), np.empty(0, dtype=bool))
        return Resolved(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def forecast(self, window: int) -> Array:
        """Probability of a profitable span for each strategy, as it was known when the span began."""
        if window not in self.forecasts:
            spans = spans_at(self.study, int(self.study.test_from[window]))
            self.forecasts[window] = self.probability(*whole_net(self.study, spans)[1:])
        return self.forecasts[window]

    def calibrated(self, window: int) -> Array:
        """The same forecasts, as those resolved before the span began would have corrected them."""
        if window not in self.corrected:
            outcomes = self._outcomes(spans_at(self.study, int(self.study.test_from[window])))
            raw = [self.forecast(other)[is_scored] for other, is_scored, _ in outcomes]
            before = np.concatenate([*raw, np.empty(0)])
            came_true = np.concatenate([*(truth for _, _, truth in outcomes), np.empty(0, dtype=bool)])
            forecasts = self.forecast(window)
            worth = [sharpe.calibrate(float(one), before, came_true) for one in forecasts]
            self.corrected[window] = np.array(worth)
        return self.corrected[window]

    def _outcomes(self, spans: Spans) -> list[tuple[int, Array, Array]]:
        """Of each window known to the whole set: which strategies are scored (S), and if those made money."""
        columns, net, has = whole_net(self.study, spans)
        mean, ratio, _, known = by_window(net[:, None], has[:, None], self.study.window_of[columns])
        found = []
        for place, window in enumerate(known):
            if spans.groups[-1, window]:
                is_scored = np.isfinite(self.forecast(int(window))) & np.isfinite(ratio[:, 0, place])
                found.append((int(window), is_scored, mean[is_scored, 0, place] > 0))
        return found


def _bins(sort: str, forecasts: Array, came_true: Array) -> list[Bin]:
    """The reliability table of the forecasts that were made; a tenth without any has no row."""
    is_made = np.isfinite(forecasts)
    forecasts, came_true = forecasts[is_made], came_true[is_made]
    tenth = np.minimum((forecasts * BINS).astype(int), BINS - 1)
    return [
        Bin(sort, int(one), len(inside), math.fsum(inside) / len(inside), float(np.mean(came_true[here])))
        for one in np.unique(tenth)
        for here in [tenth == one]
        for inside in [forecasts[here]]
    ]
