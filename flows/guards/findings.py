"""What a guard against leaks says: which leak, where, and the evidence for it."""

from dataclasses import dataclass

# The forms a leak takes, by the name a finding calls them. The first four are claims that the others break:
# a guard that compares results knows which claim is broken, and where it first shows, but not always why.
LEAKS = {
    "anticipates": "what was known at an instant changes with what came later",
    "untrue_profit": "profit is not position times the return of a later fill, less costs",
    "unclean_evaluation": "something fitted, chosen or weighed has seen its own test span",
    "claim_without_edge": "skill is reported where there can be none",
    "looks_ahead": "a window, lag or join that reaches a later row",
    "whole_sample": "a statistic over the whole sample",
    "backfill": "a gap filled from what came after it",
    "survivorship": "a universe chosen by who was there later",
    "restated_value": "a restated value under the time of the first one",
    "adjusted_price": "a price adjusted by an action not yet known, or levels of two vintages compared",
    "event_time": "the day of an event taken for the moment it was known",
    "not_simultaneous": "closes of different venues taken for simultaneous",
    "unfinished_bar": "a bar used before it closed",
    "time_zone": "local time taken for UTC, or a shift of hours",
    "early_fill": "a fill on the bar of the signal, or before the decision",
    "optimistic_fill": "a fill at a price nobody gets, or bad days dropped",
    "no_purge": "training rows whose labels reach into the test span, or no embargo",
    "test_in_train": "a test row among the training rows",
    "anchored_at_end": "windows laid backward from the end of the data",
    "weights_from_test": "strategies weighed by test spans not over yet",
    "chosen_by_result": "a choice made after seeing every result",
    "smoothed_regime": "a regime smoothed or fitted over the whole series",
    "fitted_on_everything": "a scaler, imputer, covariance or model fitted outside its train span",
    "early_profit": "a profit used before it was known",
    "target_in_features": "the target, or a part of it, among the features",
    "loader_clock": "the time of loading used, or a late row stamped with the time of the event",
    "build_state": "what is built depends on what was built before",
    "step_cache": "an answer kept from an earlier run, or an earlier decision overwritten",
    "filled_forward": "a stale value under a fresh stamp, or an invented bar",
    "long_memory": "no leak, but a value that hangs on bars further back than a new day reads",
    "rounding": "no leak, but last bits that hang on other rows, so that nothing is the same bytes again",
}


@dataclass(frozen=True)
class Finding:
    """One leak, as one guard found it.

    `guard` is the guard's name, `leak` a key of LEAKS, `place` the model, signal, strategy or Python module,
    `line` a line there where the guard knows it (in the file for Python, in the compiled SQL for models).
    `evidence` is one line of words with figures; `rows` are the two rows that differ, as text, where the
    guard compares rows.
    """

    guard: str
    leak: str
    place: str
    evidence: str
    line: int | None = None
    rows: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a leak that LEAKS does not name."""
        if self.leak not in LEAKS:
            raise ValueError(f"finding of {self.guard}: leak '{self.leak}' is unknown; expected one of LEAKS")

    def __str__(self) -> str:
        where = self.place if self.line is None else f"{self.place}:{self.line}"
        return f"{self.guard}: {where}: {self.leak} ({LEAKS[self.leak]}): {self.evidence}"
