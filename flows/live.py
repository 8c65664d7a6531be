"""What the live page shows: each call opens the published file anew, so that it sees every publish."""

import datetime as dt
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd

from flows import explain as explanations
from flows import outputs, sql
from flows.page import PAGE
from flows.publish import published
from flows.requests import instant
from flows.streaming import state

WAREHOUSE = "PORTFOLIO_APP_WAREHOUSE"
ROWS = 500
DIGITS = 6
# DuckDB shares one instance of a file within a process, with its settings: one visitor's locked-down session
# would refuse another's, so they take turns.
TURN = threading.Lock()
EXAMPLE = """select symbol, round(weight, 4) as weight, round(weight - previous_weight, 4) as change
from target_exposures
where decision_at = (select max(decision_at) from target_exposures) and weight <> 0
order by weight desc"""


def folder() -> Path:
    """Where `portfolio app` says the warehouse is."""
    return Path(os.environ[WAREHOUSE])


def version(warehouse: Path) -> str:
    """Another text after each publish: the file is another one then."""
    told = published(warehouse).stat()
    return f"{told.st_ino}-{told.st_mtime_ns}"


def portfolios(warehouse: Path) -> list[str]:
    """Names of portfolios with a decision."""
    return _first_column(warehouse, "select distinct portfolio from main.allocation_log order by portfolio")


def decisions(warehouse: Path, portfolio: str) -> list[str]:
    """Instants of a portfolio's decisions, the newest first."""
    query = """
        select strftime(decision_at, '%Y-%m-%dT%H:%M:%SZ') from main.allocation_log
        where portfolio = $1 order by decision_at desc
    """
    return _first_column(warehouse, query, portfolio)


def symbols(warehouse: Path, portfolio: str, decision_at: str) -> list[str]:
    """The universe at a decision, the heaviest first."""
    query = """
        select symbol from main.target_exposures
        where portfolio = $1 and decision_at = $2 and symbol <> 'CASH' order by weight desc, symbol
    """
    return _first_column(warehouse, query, portfolio, _at(decision_at))


def page(warehouse: Path, portfolio: str, decision_at: str) -> str:
    """The page of a decision, as `portfolio report` writes it."""
    with _opened(warehouse, outputs.open_published) as con:
        evidence = outputs.gather(con, portfolio, _at(decision_at))
    return outputs.render(evidence)[PAGE].decode()


def explained(
    warehouse: Path, symbol: str, portfolio: str, decision_at: str
) -> tuple[list[str], dict[str, pd.DataFrame]]:
    """What `portfolio explain` says: sentences, and the rows behind them by title."""
    with TURN:
        found = explanations.explain(warehouse, symbol, portfolio, _at(decision_at))
    tables = {
        "Steps to the weight": found.steps,
        "Strategies with weight on it": found.behind,
        "Strategies refused at the gates": found.refused,
        "Payloads of its bars": found.payloads,
        "Newest bars": found.bars,
    }
    return list(explanations.sentences(found)), {
        name: _rounded(rows) for name, rows in tables.items() if len(rows)
    }


def standing(warehouse: Path, portfolio: str) -> tuple[str, pd.DataFrame]:
    """Where a portfolio stands by the bars landed since its last decision, in words and by asset.

    `portfolio stream` lands closed bars within seconds, and each landing is a publish.
    """
    with TURN:
        found = state.read(warehouse, portfolio, dt.datetime.now(dt.UTC).replace(tzinfo=None))
    if found is None:
        return f"{portfolio} has decided nothing yet.", pd.DataFrame()
    due = found["decisions_due"]
    said = (
        f"Since its decision of {found['decision_at']} {portfolio} moved by "
        f"{100 * found['change_since_decision']:+.2f} %, before costs, in the assets' own quotes. "
        + (f"Decisions due: {due}; run portfolio rebalance." if due else "No decision is due.")
    )
    rows = pd.DataFrame({"target": found["targets"], "now": found["weights"], "last bar": found["last_bars"]})
    rows = rows.fillna({"last bar": ""}).rename_axis("asset").reset_index()
    return said, _rounded(rows)


def asked(warehouse: Path, query: str) -> pd.DataFrame | str:
    """The first rows of a query, in a session that can read nothing else; or what is wrong with it."""
    with _opened(warehouse, sql.session) as con:
        try:
            found = con.sql(query)
            return "no rows" if found is None else found.limit(ROWS).df()
        except duckdb.Error as error:
            return str(error)


def _rounded(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.round(dict.fromkeys(rows.select_dtypes("float").columns, DIGITS))


@contextmanager
def _opened(
    warehouse: Path, how: Callable[[Path], duckdb.DuckDBPyConnection]
) -> Iterator[duckdb.DuckDBPyConnection]:
    with TURN:
        con = how(warehouse)
        try:
            yield con
        finally:
            con.close()


def _first_column(warehouse: Path, query: str, *values: object) -> list[str]:
    with _opened(warehouse, outputs.open_published) as con:
        return [value for (value,) in con.execute(query, list(values)).fetchall()]


def _at(decision_at: str) -> dt.datetime:
    return instant(decision_at, "decision")
