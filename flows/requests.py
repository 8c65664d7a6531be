"""What is asked of a run, checked, and what comes back."""

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from flows.lock import LOCK_WAIT

Request = TypeVar("Request", bound=BaseModel)
Outcome = Literal["done", "unchanged", "stopped"]


class RequestError(ValueError):
    """One line: the option, and what was expected."""


def naive_utc(instant: dt.datetime) -> dt.datetime:
    """An instant as the warehouse keeps it: UTC without a zone; one that comes without a zone is UTC."""
    return instant if instant.tzinfo is None else instant.astimezone(dt.UTC).replace(tzinfo=None)


Instant = Annotated[dt.datetime, AfterValidator(naive_utc)]


class FeedsRequest(BaseModel):
    """Which vendors to ask, for which assets (all they serve, unless named), from which day to which."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    vendors: list[str] = []
    symbols: list[str] = []
    as_of: Instant | None = None
    from_date: dt.date | None = None
    to_date: dt.date | None = None
    warehouse: Path = Path(".warehouse")
    out: Path = Path(".out")
    lock_wait: float = Field(LOCK_WAIT, ge=0)
    is_json: bool = False  # the log as JSON lines, and no progress bar

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_date and self.to_date and self.from_date > self.to_date:
            raise ValueError(f"{self.from_date} is after {self.to_date}; expected --from before --to")
        return self


class LandRequest(FeedsRequest):
    """One landing of vendors' bars, without a decision. `as_of` is naive UTC: nothing later is asked for."""

    vendors: list[str] = Field(min_length=1)
    as_of: Instant
    is_strict: bool = False  # any failure is one of the whole, though what landed stays


class RebalanceRequest(FeedsRequest):
    """One run. `as_of` is naive UTC; left out, it is where the files end, or else the last one landed or run.

    A run that asks vendors has an `as_of`: the scheduled instant.
    """

    portfolio: str = Field("global", min_length=1)
    bars: list[Path] = []
    assets: Path | None = None
    actions: Path | None = None
    holdings: Path | None = None
    is_rebuild: bool = False  # make every decision again, from landed data

    @model_validator(mode="after")
    def _scheduled(self) -> Self:
        if self.vendors and self.as_of is None:
            raise ValueError("vendors are asked as of an instant; expected --as-of")
        return self


@dataclass(frozen=True)
class RunResult:
    """What a run came to. `exposures` are weights by symbol, CASH among them."""

    run_id: str
    portfolio: str
    as_of: dt.datetime
    outcome: Outcome
    decisions_added: int
    decision_at: dt.datetime
    exposures: dict[str, float]
    files: list[Path] = field(default_factory=list)


def instant(text: str, option: str = "--as-of") -> dt.datetime:
    """Naive UTC of an ISO 8601 text; a date alone is its midnight. Raises RequestError."""
    try:
        return naive_utc(dt.datetime.fromisoformat(text))
    except ValueError:
        raise RequestError(f"{option}: '{text}' is not an instant; expected 2019-09-30T14:00:00Z") from None


def now() -> dt.datetime:
    """The wall clock, naive UTC: where a command's world ends if nobody says otherwise."""
    return naive_utc(dt.datetime.now(dt.UTC)).replace(microsecond=0)


def day(text: str, option: str) -> dt.date:
    """The day of an ISO 8601 text. Raises RequestError."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise RequestError(f"{option}: '{text}' is not a day; expected 2019-09-30") from None


def rebalance_request(**values: Any) -> RebalanceRequest:
    """A checked request; raises RequestError with one line."""
    return _checked(RebalanceRequest, values)


def land_request(**values: Any) -> LandRequest:
    """A checked request; raises RequestError with one line."""
    return _checked(LandRequest, values)


def _checked(kind: type[Request], values: dict[str, Any]) -> Request:
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        option = "--" + ".".join(str(part) for part in first["loc"]).replace("_", "-")
        raise RequestError(f"{option}: {first['msg']}".removeprefix("--: ")) from None


@dataclass(frozen=True)
class ReplayResult:
    """What a replay came to. Without the code of that day it claims no proof."""

    portfolio: str
    decision_at: dt.datetime
    is_same: bool
    is_proof: bool
    rows_compared: int
    signal_divergence: float
    differences: list[str] = field(default_factory=list)
