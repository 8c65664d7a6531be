"""What a deployment can be asked, as models: Prefect checks it at its door, and its page shows each field."""

from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from flows.lock import LOCK_WAIT


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Places(_Model):
    """Where the warehouse is, and where files go."""

    warehouse: Path = Field(default=Path(".warehouse"), description="Folder of the warehouse.")
    out: Path = Field(default=Path(".out"), description="Folder of the files a run writes.")
    lock_wait: float = Field(
        default=LOCK_WAIT,
        ge=0,
        le=6 * 3600,
        description="Seconds to wait for a run of another portfolio; one of the same is not waited for.",
    )


class Whose(_Model):
    """Which portfolio."""

    portfolio: str = Field(
        default="global",
        min_length=1,
        max_length=200,
        description="Name of a policy in flows/portfolios, or a .yml file.",
    )


class Asked(Whose):
    """What a rebalance is asked."""

    as_of: AwareDatetime | None = Field(
        default=None, description="Where the world ends; with vendors by default the scheduled instant."
    )
    bars: list[Path] = Field(default=[], description="CSV or Parquet files of bars.")
    vendors: list[str] = Field(
        default=[], description="Whom to ask for what is new, such as coinbase or yahoo; nobody if empty."
    )
    symbols: list[str] = Field(
        default=[], description="Which assets to ask for; all that a vendor serves if empty."
    )


class Question(_Model):
    """Where leaks are looked for."""

    signals: list[str] = Field(
        default=[], description="Signals by the names of their files; the project if empty."
    )
    cuts: int = Field(default=6, ge=1, le=50, description="Instants at which the future is cut off.")
