"""`portfolio diff`: what changed between two decisions, and through what."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from flows import difference_rows as sql
from flows.explain import assembled, found_decision, printed
from flows.outputs import NothingPublished, open_published, stamp
from flows.page_parts import NONE, change, number, percent, words
from flows.requests import RequestError, instant

if TYPE_CHECKING:
    import duckdb

SHOWN = 15
DIGEST = 12
STAGES = ("risk_based", "views", "raw", "smoothed", "projected", "stops")
VERSIONS = {
    "code_version": "code",
    "study_hash": "study",
    "policy_hash": "policy",
    "lock_hash": "packages",
    "seed": "seed",
}
STATES = ("regime", "confidence", "allocator", "status", "fallback_mode", "binding", "volatility", "nav")


@dataclass(frozen=True)
class Difference:
    """Rows of two decisions of one portfolio, the first and the second as asked for."""

    portfolio: str
    first: dict[str, Any]
    second: dict[str, Any]
    weights: pd.DataFrame
    strategies: pd.DataFrame
    gates: pd.DataFrame
    inputs: pd.DataFrame
    seeds: pd.DataFrame

    @property
    def restated(self) -> pd.DataFrame:
        """Those of the new inputs that take the place of an earlier version."""
        return self.inputs[self.inputs.version > 1]


def diff(warehouse: Path, first: str, second: str, portfolio: str) -> Difference:
    """Compare two decisions, each named by its instant or by a run. Raises RequestError, NothingPublished."""
    con = open_published(warehouse)
    try:
        sides = [_resolved(con, name, portfolio) for name in (first, second)]
        if sides[0][0] != sides[1][0]:
            raise RequestError(
                f"diff: {first} is of {sides[0][0]} and {second} of {sides[1][0]}; expected one"
            )
        return _read(con, sides[0][0], sides[0][1], sides[1][1])
    finally:
        con.close()


def _resolved(con: "duckdb.DuckDBPyConnection", name: str, portfolio: str) -> tuple[str, dt.datetime]:
    """The portfolio and the decision that a run or an instant names."""
    found = con.execute(sql.NAMED_RUN_SQL, {"name": name}).fetchall()
    if found:
        owner, at = found[0]
        if at is None:
            raise NothingPublished(f"{name} made no decision, and there was none before it")
        return owner, at
    try:
        at = instant(name)
    except RequestError:
        raise RequestError(
            f"diff: '{name}' is no run of raw.runs and no instant; expected global-00001 or"
            " 2019-09-30T14:00:00Z"
        ) from None
    return portfolio, found_decision(con, portfolio, at)


def _read(
    con: "duckdb.DuckDBPyConnection", portfolio: str, first: dt.datetime, second: dt.datetime
) -> Difference:
    def side(at: dt.datetime) -> dict[str, Any]:
        row = con.execute(sql.SIDE_SQL, {"portfolio": portfolio, "at": at}).df().iloc[0]
        return {str(key): None if pd.isna(value) else value for key, value in row.items()}

    both = {"portfolio": portfolio, "first": first, "second": second}
    sides = side(first), side(second)
    names = ("batch_first", "batch_second")
    batches = {name: int(one["batch_until"]) for name, one in zip(names, sides, strict=True)}
    times = {"first": first, "second": second}
    return Difference(
        portfolio,
        *sides,
        weights=con.execute(sql.WEIGHTS_SQL, both).df(),
        strategies=con.execute(sql.STRATEGIES_SQL, both).df(),
        gates=con.execute(sql.GATES_CHANGED_SQL, both).df(),
        inputs=con.execute(sql.INPUTS_SQL, times | batches).df(),
        seeds=con.execute(sql.STUDY_SQL, batches).df(),
    )


def show(found: Difference, console: Console | None = None) -> None:
    """Print it."""
    printed(rendered(found), console)


def rendered(found: Difference) -> RenderableType:
    """Sentences, then tables of what differs."""
    tables = (_weights(found), _strategies(found), _gates(found), _restated(found))
    return assembled(sentences(found), tables)


def sentences(found: Difference) -> Iterator[str]:
    """What changed, in words; what is not named is the same."""
    first, second = found.first, found.second
    yield (
        f"{found.portfolio}: {stamp(first['decision_at'])} (run {first['run_id']}) against "
        f"{stamp(second['decision_at'])} (run {second['run_id']})"
    )
    moved = found.weights[found.weights.before != found.weights.after]
    turned = percent(_turned(moved))
    yield f"Exposures: {len(moved)} of {len(found.weights)} differ, by {turned} of the value in all."
    yield f"Strategies: {len(found.strategies)} weights or positions differ; {len(found.gates)} gates turned."
    yield (
        f"Inputs: {len(found.inputs):,} bars are known to the second alone; {len(found.restated):,} of them "
        "restate an earlier version."
    )
    for name, title in VERSIONS.items():
        if first[name] != second[name]:
            yield f"The {title} changed: {_short(first[name])} to {_short(second[name])}{_how(found, name)}."
    if all(first[name] == second[name] for name in VERSIONS):
        yield "Policy, code, study, packages and seed are the same."
    for name in STATES:
        if first[name] != second[name]:
            yield f"{words(name).capitalize()}: {_said(first[name])} to {_said(second[name])}."


def _turned(moved: pd.DataFrame) -> float:
    risky = moved[moved.symbol != "CASH"]
    return float((risky.after - risky.before).abs().sum())


def _how(found: Difference, name: str) -> str:
    if name == "study_hash" and len(found.seeds):
        return f" (seeds {', '.join(found.seeds.seed)})"
    if name == "policy_hash":
        return f" ({'; '.join(_policy_changes(found))})"
    return ""


def _policy_changes(found: Difference) -> list[str]:
    """Settings that differ between the policies of both sides, by their path."""
    sides = [_flat(json.loads(side["policy_json"])) for side in (found.first, found.second)]
    names = sorted(sides[0].keys() | sides[1].keys())
    return [
        f"{name}: {sides[0].get(name)} to {sides[1].get(name)}"
        for name in names
        if sides[0].get(name) != sides[1].get(name)
    ]


def _flat(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{path}{name}.") if isinstance(value, dict) else {f"{path}{name}": value}
    return flat


def _weights(found: Difference) -> Table:
    moved = found.weights[found.weights.before != found.weights.after]
    columns = ("first", "second", "difference", *map(words, STAGES))
    table = _table("Exposures, and the steps that their differences come from, in points", "asset", *columns)
    for row in moved.head(SHOWN).to_dict("records"):
        steps = [change(row[stage], 2) for stage in STAGES]
        weights = percent(row["before"], 2), percent(row["after"], 2)
        table.add_row(escape(row["symbol"]), *weights, change(row["after"] - row["before"], 2), *steps)
    return _capped(table, len(moved))


def _strategies(found: Difference) -> Table:
    columns = ("first", "second", "position first", "position second")
    table = _table("Weights and positions of strategies", "asset, strategy", *columns)
    for row in found.strategies.head(SHOWN).itertuples():
        table.add_row(
            escape(f"{row.symbol}, {row.strategy}"),
            percent(row.before),
            percent(row.after),
            number(row.position_before),
            number(row.position_after),
        )
    return _capped(table, len(found.strategies))


def _gates(found: Difference) -> Table:
    table = Table("asset", "strategy", "now", "why", title="Gates that turned", title_justify="left")
    for row in found.gates.head(SHOWN).itertuples():
        table.add_row(
            escape(row.symbol),
            escape(row.strategy),
            "let in" if row.is_adopted else "refused",
            escape(row.reason),
        )
    return _capped(table, len(found.gates))


def _restated(found: Difference) -> Table:
    title = "Bars restated in between"
    table = Table(
        "asset", "session", "close before", "close", "known at", "payload", title=title, title_justify="left"
    )
    for row in found.restated.head(SHOWN).itertuples():
        closes = [NONE if pd.isna(value) else f"{value:g}" for value in (row.close_before, row.close)]
        day, known = str(row.session_date)[:10], f"{row.known_at:%Y-%m-%d %H:%M}"
        table.add_row(escape(row.symbol), day, *closes, known, _short(row.payload_hash))
    return _capped(table, len(found.restated))


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(first, title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _capped(table: Table, rows: int) -> Table:
    if rows > SHOWN:
        table.caption = f"{SHOWN} of {rows:,}, in the order of the query"
    return table


def _short(value: Any) -> str:
    return str(value)[:DIGEST]


def _said(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
