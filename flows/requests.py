"""What is asked of a run, checked, and what comes back."""

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from flows.lock import LOCK_WAIT

Outcome = Literal["done", "unchanged", "stopped"]


class RequestError(ValueError):
    """One line: the option, and what was expected."""


def naive_utc(instant: dt.datetime) -> dt.datetime:
    """An instant as the warehouse keeps it: UTC without a zone; one that comes without a zone is UTC."""
    return instant if instant.tzinfo is None else instant.astimezone(dt.UTC).replace(tzinfo=None)


class RebalanceRequest(BaseModel):
    """One run. `as_of` is naive UTC; left out, it is the latest `available_at` of the files."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    portfolio: str = Field("global", min_length=1)
    as_of: Annotated[dt.datetime, AfterValidator(naive_utc)] | None = None
    bars: list[Path] = []
    assets: Path | None = None
    actions: Path | None = None
    holdings: Path | None = None
    warehouse: Path = Path(".warehouse")
    out: Path = Path(".out")
    lock_wait: float = Field(LOCK_WAIT, ge=0)
    is_rebuild: bool = False  # make every decision again, from landed data
    is_json: bool = False  # the log as JSON lines, and no progress bar


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


def rebalance_request(**values: Any) -> RebalanceRequest:
    """A checked request; raises RequestError with one line."""
    try:
        return RebalanceRequest(**values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        option = "--" + ".".join(str(part) for part in first["loc"]).replace("_", "-")
        raise RequestError(f"{option}: {first['msg']}") from None


@dataclass(frozen=True)
class ReplayResult:
    """What a replay came to. Without the code of that day it claims no proof."""

    portfolio: str
    decision_at: dt.datetime
    is_same: bool
    is_proof: bool
    rows_compared: int
    differences: list[str] = field(default_factory=list)
