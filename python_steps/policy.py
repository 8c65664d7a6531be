"""What a portfolio wants: one YAML file per policy, its schema, and clear errors."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from python_steps import names, plugins
from python_steps.learner_code import PACKAGE
from python_steps.names import Symbol

PORTFOLIOS = Path(__file__).parent.parent / "flows" / "portfolios"
MAX_BYTES = 100_000
MAX_DEPTH = 20
SHORT_LIMITS = ("short", "gross", "net")  # what only a policy that allows shorts may limit

AssetClass = Literal["crypto", "equity", "fx"]
Regime = Literal["risk_on", "neutral", "risk_off"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class PolicyError(ValueError):
    """One line: the file, the key, and what is allowed there."""


class Strict(BaseModel):
    """Unknown keys are refused, values are final, and errors do not echo what was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


class Universe(Strict):
    """Which assets: classes, narrowed to named symbols where given."""

    asset_classes: tuple[AssetClass, ...] = Field(min_length=1)
    symbols: tuple[Symbol, ...] | None = None


class Gates(Strict):
    """Rule 2: what a strategy must show before it is let in."""

    minimum_trades: Count
    maximum_drawdown: Share
    minimum_windows: Annotated[int, Field(ge=3)]
    maximum_negative_share: Share
    minimum_dsr: Share
    minimum_regime_consistency: Share | None = (
        None  # a policy landed before it could be asked for asks nothing
    )


class Score(Strict):
    """Rule 3: charges against the Sharpe, and the prior deviation tau it is shrunk by.

    With `regime_prior`, the Sharpe is that of the decision's regime, and so many decisions speak against it
    for the whole record.
    """

    turnover: Annotated[float, Field(ge=0)]
    drawdown: Annotated[float, Field(ge=0)]
    instability: Annotated[float, Field(ge=0)]
    sharpe_deviation: Positive
    regime_prior: Positive | None = None  # a policy landed before it could be had has none


class StrategyWeights(Strict):
    """Rule 4: which of the weightings shares an asset among strategies, and what is done to all alike.

    `change` is the most that moves in one decision, beside the smoothing.
    """

    method: str = "softmax"  # the only one there was, for a policy landed then
    beta: Annotated[float, Field(ge=0, le=100)]
    smoothing: Annotated[float, Field(gt=0, le=1)]
    change: Annotated[float, Field(gt=0, le=1)] | None = None
    clip: Share
    cap: Annotated[float, Field(gt=0, le=1)]
    entropy: Share


class Cluster(Strict):
    """Assets correlated at least so much over so many decisions, and what they may weigh together."""

    correlation: Share
    decisions: Annotated[int, Field(ge=20)]
    limit: Share


class Limits(Strict):
    """What final weights obey. `change` and `turnover` are per rebalance, `volatility` is annual.

    `cardinality` is how many assets may be held; `minimum_trade` the least share of value that is traded;
    `cost_aversion` weighs the cost of a trade against the distance from what is wanted; `left_out` says what
    becomes of an asset whose data are bad: it is held as it is, or sold; `regimes` is the most that all risky
    assets together may weigh while the policy's detector says so. Where shorts are allowed, `asset` is the
    most of what is held and `short` of what is sold short; limits on several assets count both by their size,
    and `gross` is the most of all (1 without it); `net` is the least and the most of longs less shorts, never
    above 1, since nobody lends. A policy landed before there were any of them has none.
    """

    asset: Annotated[float, Field(gt=0, le=1)]
    asset_classes: dict[AssetClass, Share]
    cluster: Cluster
    change: Annotated[float, Field(gt=0, le=1)]
    turnover: Annotated[float, Field(gt=0, le=1)] | None
    volatility: Positive | None
    cardinality: Count | None = None
    minimum_trade: Share = 0.0
    cost_aversion: Annotated[float, Field(ge=0)] = 0.0
    left_out: Literal["previous", "zero"] = "previous"
    regimes: dict[Regime, Share] | None = None
    short: Annotated[float, Field(gt=0, le=1)] | None = None
    gross: Annotated[float, Field(gt=0, le=3)] | None = None
    net: tuple[Annotated[float, Field(ge=-3, le=0)], Share] | None = None  # all cash is always allowed


class SolverFailures(Strict):
    """The share of so many decisions that may be made by the fallback."""

    limit: Annotated[float, Field(gt=0, le=1)]
    decisions: Count


class Defensive(Strict):
    """What may still be held while a drawdown is latched, and how much of it together."""

    symbols: tuple[Symbol, ...] = Field(min_length=1)
    limit: Share


Fall = Annotated[float, Field(ge=-1, lt=0)]


class Stops(Strict):
    """Inclusive limits. `simulated_reset` is in decisions, and counts in backtests only.

    What may be null is off then, as it was for a policy landed before it could be had.
    """

    drawdown: Fall
    deep_drawdown: Fall | None = None
    daily_loss: Fall
    divergence: Positive
    staleness_hours: Positive
    volatility_surge: Annotated[float, Field(gt=1)]
    correlation_surge: Annotated[float, Field(gt=0, le=1)]
    missing_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    solver_failures: SolverFailures | None = None
    simulated_reset: Count
    hysteresis: Annotated[float, Field(ge=0, lt=1)] | None = None
    defensive: Defensive | None = None

    @model_validator(mode="after")
    def _deep_is_deeper(self) -> "Stops":
        if self.deep_drawdown is not None and self.deep_drawdown > self.drawdown:
            raise ValueError(f"deep_drawdown {self.deep_drawdown} is above drawdown {self.drawdown}")
        return self


class Warnings(Strict):
    """When the report warns."""

    train_test_gap: Share


class Policy(Strict):
    """A merged policy: every key is there, and inside its bounds.

    Everything is decided under `plan`; `compared_plans` are laid and evaluated beside it, and decide nothing.
    `signals` are those that trade by themselves, `learners` the files that are fitted, on all signals there
    are; `variants` says whether the grids in the seed are laid out. `assets_under_management` is money at the
    portfolio's start, in the clock's base currency; without it orders move no price. `cash_yield` is simple
    interest a year. A policy landed before there were these two has neither.
    """

    clock: str
    plan: str
    compared_plans: tuple[str, ...] = ()  # a policy landed before there were any has none
    universe: Universe
    assets_under_management: Positive | None = None
    cash_yield: Share = 0.0
    signals: Literal["all"] | tuple[str, ...]
    learners: Literal["all"] | tuple[str, ...]
    variants: bool
    allow_shorts: bool
    detector: str
    covariance: str
    allocator: str
    risk_aversion: Positive
    risk_budgets: dict[AssetClass, Positive] = Field(default_factory=dict)  # a policy landed before has none
    smoothing: Annotated[float, Field(gt=0, le=1)]
    dust: Share
    fallback: Literal["hold_previous", "equal_weight", "cash"]
    scale_by_confidence: bool
    seed: Annotated[int, Field(ge=0)]
    gates: Gates
    score: Score
    weights: StrategyWeights
    limits: Limits
    stops: Stops
    warnings: Warnings

    @property
    def laid_plans(self) -> tuple[str, ...]:
        """The plan decisions are made under, then those it is compared with, each once."""
        return tuple(dict.fromkeys((self.plan, *self.compared_plans)))

    @model_validator(mode="after")
    def _every_class_has_a_limit(self) -> "Policy":
        missing = sorted(set(self.universe.asset_classes) - set(self.limits.asset_classes))
        if missing:
            raise ValueError(f"limits.asset_classes: no limit for {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _limits_of_shorts_go_with_shorts(self) -> "Policy":
        if self.allow_shorts and self.limits.short is None:
            raise ValueError("limits.short: allow_shorts is true; expected the largest weight of a short")
        for name in SHORT_LIMITS:
            if not self.allow_shorts and getattr(self.limits, name) is not None:
                raise ValueError(f"limits.{name}: allow_shorts is false; expected null")
        return self


def resolved(policy: Policy) -> tuple[Policy, list[str]]:
    """The policy with `learners: all` written out, as it is landed, and the learners it leaves out.

    All are those whose packages are installed: what a run can do hangs on its machine, and the row in
    raw.policies says what it did.
    """
    if policy.learners != "all":
        return policy, []
    found = plugins.names(PACKAGE)
    left_out = [name for name in found if plugins.missing(PACKAGE, name)]
    return policy.model_copy(
        update={"learners": tuple(name for name in found if name not in left_out)}
    ), left_out


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases and great depth, and with duplicate keys refused."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call] # in the stubs of yaml
            raise PolicyError(f"line {event.start_mark.line + 1}: aliases are not allowed")
        if self.depth == MAX_DEPTH:  # before yaml's scanner, which takes the square of it, has gone on
            raise PolicyError(f"nested more than {MAX_DEPTH} deep")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise PolicyError(f"line {key_node.start_mark.line + 1}: a key must be text, not {key!r}")
            if key in seen:
                raise PolicyError(f"line {key_node.start_mark.line + 1}: key '{key}' stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(name_or_file: str | Path) -> tuple[str, Policy]:
    """Name and merged policy of a portfolio, given by name or by file.

    Raises PolicyError with the file, the key and what is allowed.
    """
    path = find(name_or_file)
    try:
        return path.stem, Policy.model_validate(_merged(path, ()))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "policy"
        raise PolicyError(f"{path.name}: {key}: {first['msg']}") from None


def find(name_or_file: str | Path) -> Path:
    """The file of a portfolio: a path that ends in .yml or .yaml, or a name in flows/portfolios."""
    path = Path(name_or_file)
    if path.suffix in {".yml", ".yaml"}:
        if not names.is_name(path.stem):
            raise PolicyError(f"{path.name!r} is no name of a policy file; {names.NAME_EXPECTED}, then .yml")
        if not path.is_file():
            raise PolicyError(f"{path}: no such policy file")
        return path
    known = {file.stem: file for file in sorted(PORTFOLIOS.glob("*.yml"))}
    if str(name_or_file) not in known:
        choices = ", ".join(name for name in known if name != "default")
        raise PolicyError(f"portfolio '{name_or_file}' is unknown; expected one of {choices}, or a .yml file")
    return known[str(name_or_file)]


def to_json(policy: Policy) -> str:
    """Canonical JSON of a merged policy: sorted keys, no spaces."""
    return json.dumps(policy.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def digest(policy: Policy) -> str:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(to_json(policy).encode()).hexdigest()


def _merged(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path in seen:
        raise PolicyError(f"{path.name}: extends: {' -> '.join(p.stem for p in (*seen, path))} goes round")
    content = _read(path)
    parent = content.pop("extends", None)
    if parent is None:
        return content
    if not (isinstance(parent, str) and names.is_name(parent)):
        raise PolicyError(f"{path.name}: extends: {str(parent)[:40]!r} is no name; {names.NAME_EXPECTED}")
    base = path.parent / f"{parent}.yml"
    return _overlay(_merged(base if base.is_file() else find(parent), (*seen, path)), content)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path.name}: cannot be read ({type(error).__name__})") from None
    if len(text) > MAX_BYTES:
        raise PolicyError(f"{path.name}: {len(text)} characters, at most {MAX_BYTES} are allowed")
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader of our own
    except PolicyError as error:
        raise PolicyError(f"{path.name}: {error}") from None
    except (yaml.YAMLError, ValueError) as error:  # a date or an integer that is none
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        why = getattr(error, "problem", str(error)[:80])
        raise PolicyError(f"{path.name}: {place}not valid YAML ({why})") from None
    if not isinstance(content, dict):
        raise PolicyError(f"{path.name}: expected keys and values")
    return content


def _overlay(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _overlay(base[key], value) if both else value
    return merged
