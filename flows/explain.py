"""`portfolio explain`: one weight, from its steps through views and strategies down to bars and payloads."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table

from flows import explanation_rows as sql
from flows.outputs import CASH, DECISION_SQL, NothingPublished, open_published, stamp
from flows.page_decision import STAGES, without_figures
from flows.page_parts import NONE, change, number, percent, points, words

if TYPE_CHECKING:
    import duckdb

NEWEST = 5
WIDTH = 130  # in a file or a pipe
DIGEST = 16
KINDS = ("asset", "short", "change", "class")  # limits that name what they are of


class NoSuchAsset(LookupError):
    """The asset is not in the universe of the portfolio at the decision."""


@dataclass(frozen=True)
class Explanation:
    """Rows about one asset at one decision, as flows/explanation_rows.py orders them."""

    portfolio: str
    symbol: str
    decision_at: dt.datetime
    facts: dict[str, Any]
    steps: pd.DataFrame
    behind: pd.DataFrame
    refused: pd.DataFrame
    prices: pd.DataFrame
    payloads: pd.DataFrame
    bars: pd.DataFrame


def explain(
    warehouse: Path, symbol: str, portfolio: str, decision_at: dt.datetime | None = None
) -> Explanation:
    """Read why an asset has its weight at a decision, the last one unless named.

    Raises NothingPublished and NoSuchAsset.
    """
    con = open_published(warehouse)
    try:
        return _read(con, symbol, portfolio, found_decision(con, portfolio, decision_at))
    finally:
        con.close()


def found_decision(
    con: "duckdb.DuckDBPyConnection", portfolio: str, decision_at: dt.datetime | None
) -> dt.datetime:
    """The instant of a published decision, the last one unless named. Raises NothingPublished."""
    found = con.execute(DECISION_SQL, {"portfolio": portfolio, "at": decision_at}).df()
    if found.empty:
        which = "decision" if decision_at is None else f"decision at {stamp(decision_at)}"
        raise NothingPublished(f"no {which} of {portfolio} is published here")
    return found.decision_at.iloc[0].to_pydatetime()


def _read(con: "duckdb.DuckDBPyConnection", symbol: str, portfolio: str, at: dt.datetime) -> Explanation:
    named = {"portfolio": portfolio, "at": at}

    def rows(query: str, **more: Any) -> pd.DataFrame:
        return con.execute(query, named | more).df()

    facts = rows(sql.EXPLAINED_SQL, symbol=symbol)
    if facts.empty:
        known = con.execute(
            "select string_agg(symbol, ', ' order by symbol) from main.target_exposures"
            " where portfolio = $portfolio and decision_at = $at",
            named,
        ).fetchall()[0][0]
        raise NoSuchAsset(
            f"{symbol}: not in the universe of {portfolio} at {stamp(at)}; expected one of {known}"
        )
    return Explanation(
        portfolio,
        symbol,
        at,
        {str(name): None if pd.isna(value) else value for name, value in facts.iloc[0].items()},
        steps=rows(sql.STEPS_SQL, symbol=symbol),
        behind=rows(sql.BEHIND_SQL, symbol=symbol),
        refused=rows(sql.REFUSED_GATES_SQL, symbol=symbol),
        prices=rows(sql.LIMIT_PRICES_SQL),
        payloads=rows(sql.PAYLOADS_SQL, symbol=symbol),
        bars=rows(sql.NEWEST_BARS_SQL, symbol=symbol, bars=NEWEST),
    )


def show(found: Explanation, console: Console | None = None) -> None:
    """Print it."""
    printed(rendered(found), console)


def printed(parts: RenderableType, console: Console | None) -> None:
    """Print words and tables; wide enough for them in a file or a pipe."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    console.print(parts)


def assembled(said: Iterable[str], tables: Iterable[Table]) -> RenderableType:
    """Sentences, then the tables that have rows."""
    parts: list[RenderableType] = [escape(text) for text in said]
    return Group(*parts, *(part for table in tables if table.row_count for part in ("", table)))


def rendered(found: Explanation) -> RenderableType:
    """Sentences and tables, from the weight down."""
    tables = (_steps(found), _strategies(found), _refused(found), _payloads(found), _bars(found))
    return assembled(sentences(found), tables)


def sentences(found: Explanation) -> Iterator[str]:
    """The same in words."""
    facts = found.facts
    moved = change(facts["weight"] - facts["previous_weight"], 2) or "no"
    yield (
        f"{found.symbol} weighs {percent(facts['weight'], 2)} in {found.portfolio} from the decision of "
        f"{stamp(found.decision_at)} on; before it was {percent(facts['previous_weight'], 2)} "
        f"(change: {moved} points)."
    )
    if found.symbol == CASH:
        yield "CASH is what no other asset takes."
        return
    if facts["is_excluded"]:
        yield f"It is left out for its data: {facts['quality'] or 'no bar is known'}."
    yield _view(facts)
    yield _carried(found)
    binding = [name for name in json.loads(facts["binding"]) if _concerns(name, found)]
    if binding:
        yield f"Limits that bind here: {', '.join(map(_priced(found.prices), binding))}."
    if facts["fallback_mode"]:
        yield f"The allocator gave no answer; fallback {words(facts['fallback_mode'])}."
    if facts["risk"]:
        yield f"It brings {percent(facts['risk'], 2)} a year to the expected volatility."
    yield f"The market's regime is {words(facts['regime'])}, confidence {number(facts['confidence'])}."


def _view(facts: dict[str, Any]) -> str:
    if facts["ensemble_view"] is None:
        return "There is no view of it."
    view = (
        f"The strategies' view is {points(facts['ensemble_view'], 2)} basis points a decision with an error "
        f"of {points(facts['standard_error'], 2)}"
    )
    if facts["shrunk_view"] != 0:
        return f"{view}; {points(facts['shrunk_view'], 2)} of it is believed."
    return f"{view}; none of it is believed, since it is not above its error."


def _carried(found: Explanation) -> str:
    """Who stands behind the weight."""
    if found.behind.empty:
        refused = int(found.refused.strategies.sum())
        return f"No strategy has weight on it; {refused} were refused at the gates."
    best = found.behind.iloc[0]
    part = f"; {best.strategy} has the largest part, {percent(best.contribution, 2)}"
    return (
        f"{len(found.behind)} strategies have weight on it{part if found.facts['weight'] else ''}. Their "
        f"record goes up to window {best.window_id}, the last one closed."
    )


def _concerns(limit: str, found: Explanation) -> bool:
    """Whether a limit is of the asset, of its class, or of all."""
    parts = str(limit).split()
    named = {str(found.facts["asset_class"]), found.symbol}
    is_of_others = len(parts) > 1 and parts[0] in KINDS and not named & set(parts[1:])
    return not is_of_others


def _priced(prices: pd.DataFrame) -> Any:
    found = prices.groupby("limit_name").price.max().to_dict()
    return lambda name: f"{name} (price {found[name]:.3g})" if name in found else str(name)


def _steps(found: Explanation) -> Table:
    table = _table("How the weight came about: the changes add up to it", "step", "#change", "#weight after")
    for row in found.steps.itertuples():
        table.add_row(
            STAGES.get(row.stage, row.stage), change(row.weight_change, 2), percent(row.weight_after, 2)
        )
    return table


def _strategies(found: Explanation) -> Table:
    columns = ("strategy", "reads", "#says", "known at", "#position", "#weight", "#bp a decision")
    table = _table("Strategies with weight on it", *columns, "#part of the weight")
    for row in found.behind.itertuples():
        table.add_row(
            escape(row.strategy),
            escape(_source(row)),
            number(row.value, 3),
            _instant(row.value_known_at),
            number(row.position),
            percent(row.strategy_weight),
            points(row.expected_return, 2),
            percent(row.contribution, 2),
        )
    return table


def _source(row: Any) -> str:
    """The signal a strategy trades, or the learner with the model that was fitted for the window."""
    model = f", model {row.model_id[:DIGEST]}" if isinstance(row.model_id, str) else ""
    return f"{row.kind} {row.source}{model}"


def _refused(found: Explanation) -> Table:
    """Strategies that are refused, gathered by the kind of reason."""
    table = _table("Strategies refused at the gates", "why", "#how many", "which")
    kinds = found.refused.groupby(found.refused.reason.map(without_figures))
    for why, rows in sorted(kinds, key=lambda kind: (-kind[1].strategies.sum(), kind[0])):
        names = sorted(name for text in rows.names for name in text.split(", "))
        table.add_row(escape(str(why)), str(rows.strategies.sum()), escape(", ".join(names)))
    return table


def _payloads(found: Explanation) -> Table:
    title = "Payloads that its bars came in, as known at the decision"
    table = _table(title, "vendor", "source", "payload hash", "#bars", "from", "to", "known at")
    for row in found.payloads.itertuples():
        table.add_row(
            escape(row.vendor),
            escape(str(row.source)),
            _digest(row.payload_hash),
            str(row.bars),
            str(row.first_session)[:10],
            str(row.last_session)[:10],
            _instant(row.known_at),
        )
    return table


def _bars(found: Explanation) -> Table:
    title = f"Its newest {len(found.bars)} bars: signals look from the first back as far as their windows go"
    table = _table(
        title, "session", "#version", "#close", "#volume", "known at", "batch, payload, row", "payload hash"
    )
    for row in found.bars.itertuples():
        table.add_row(
            str(row.session_date)[:10],
            str(row.version),
            f"{row.close:g}",
            NONE if pd.isna(row.volume) else f"{row.volume:g}",
            _instant(row.known_at),
            f"{row.batch_id}, {row.payload_number}, {row.row_number}",
            _digest(row.payload_hash),
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column.removeprefix("#"), justify="right" if column.startswith("#") else "left")
    return table


def _digest(value: Any) -> str:
    return value[:DIGEST] if isinstance(value, str) else NONE


def _instant(value: Any) -> str:
    return NONE if pd.isna(value) else f"{value:%Y-%m-%d %H:%M}"
