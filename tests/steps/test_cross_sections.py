"""Who counts in a cross-section, and for how much: the SQL as dbt compiled it, on tables of a few lines."""

import datetime as dt
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from tests.worlds.small import World

EVER = dt.datetime(1900, 1, 1)
MEASURES = ("momentum", "week", "volatility", "beta", "residual_deviation", "size")


def at(day: int, hour: int = 21) -> dt.datetime:
    return dt.datetime(2024, 1, day, hour)


class Lines:
    """Bars of a few assets of one class, told line by line, and what the models make of them."""

    def __init__(self, world: World) -> None:
        self.sql = world.origin.dbt.compiled()
        self.database = world.origin.file.stem
        self.bars: list[tuple[str, dt.datetime, float, bool]] = []
        self.listed: dict[str, dt.datetime] = {}

    def tell(self, symbol: str, known_at: dt.datetime, value: float | None, is_late: bool = False) -> None:
        """A bar, and what is measured on it: its return of a week, of a half year, and its deviation."""
        self.bars.append((symbol, known_at, value, is_late))
        self.listed.setdefault(symbol, EVER)

    def asked(self, model: str) -> pd.DataFrame:
        """The rows of a model, by instant and symbol."""
        con = duckdb.connect()
        con.execute(f"attach ':memory:' as {self.database}")
        con.execute(f"use {self.database}")
        try:
            self._lay(con)
            for name in ("peers", "cross_sections"):
                con.execute(f"create table main.{name} as {self.sql[name]}")
            return con.execute(f"from main.{model} order by known_at, symbol").df()
        finally:
            con.close()

    def ranks(self, day: int) -> dict[str, float | None]:
        """Rank of the week's return of each asset whose bar became known on a day."""
        rows = self.asked("cross_sections")
        rows = rows[rows["known_at"] == at(day)].astype({"week_rank": object})
        return {row.symbol: None if pd.isna(row.week_rank) else row.week_rank for row in rows.itertuples()}

    def _lay(self, con: duckdb.DuckDBPyConnection) -> None:
        rows = pd.DataFrame(self.bars, columns=["symbol", "known_at", "value", "is_late"])
        rows["session_date"] = rows["known_at"].dt.date
        rows["value"] = rows["value"].astype(float)
        listed = pd.DataFrame({"symbol": list(self.listed), "listed_at": list(self.listed.values())})
        con.register("rows", rows)
        con.register("listed", listed)
        con.execute(
            "create table main.asset_groups as"
            " select unnest(['equity', 'all']) as asset_group, symbol, listed_at::timestamp as listed_at"
            " from listed"
        )
        key = "symbol, session_date, known_at::timestamp as known_at"
        con.execute(f"create table main.daily_returns as select {key}, is_late from rows")
        con.execute(
            f"create table main.bar_statistics as select {key}, value as log_return_week,"
            " 0.0 as log_return_month, value as log_return_half, value as deviation_quarter,"
            " 1.0 as deviation_year from rows"
        )
        con.execute(
            f"create table main.market_residuals as select {key}, value as beta,"
            " value as residual_deviation from rows"
        )
        con.execute(f"create table main.volume_statistics as select {key}, value as money_quarter from rows")


@pytest.fixture
def lines(small_world: World) -> Lines:
    return Lines(small_world)


def test_a_rank_is_the_share_below_less_the_share_above(lines: Lines) -> None:
    for symbol, value in {"AAA": 0.01, "BBB": 0.02, "CCC": 0.03, "DDD": 0.04, "EEE": -0.01}.items():
        lines.tell(symbol, at(2), value)
    assert lines.ranks(2) == {"AAA": -0.5, "BBB": 0.0, "CCC": 0.5, "DDD": 1.0, "EEE": -1.0}


def test_peers_with_the_same_value_are_neither_below_nor_above(lines: Lines) -> None:
    for symbol, value in {"AAA": 0.01, "BBB": 0.01, "CCC": 0.01, "DDD": 0.02}.items():
        lines.tell(symbol, at(2), value)
    third = pytest.approx(-1 / 3)
    assert lines.ranks(2) == {"AAA": third, "BBB": third, "CCC": third, "DDD": 1.0}


def test_fewer_than_three_assets_with_a_value_are_no_cross_section(lines: Lines) -> None:
    for symbol, value in {"AAA": 0.01, "BBB": 0.02, "CCC": None}.items():
        lines.tell(symbol, at(2), value)
    assert lines.ranks(2) == {"AAA": None, "BBB": None, "CCC": None}
    for symbol, value in {"AAA": 0.01, "BBB": 0.02, "CCC": 0.03}.items():
        lines.tell(symbol, at(3), value)
    assert lines.ranks(3) == {"AAA": -1.0, "BBB": 0.0, "CCC": 1.0}


def test_a_peer_stands_with_its_last_bar_for_five_days_and_no_longer(lines: Lines) -> None:
    for symbol, value in {"AAA": 0.01, "BBB": 0.02, "CCC": 0.03, "DDD": 0.04}.items():
        lines.tell(symbol, at(2), value)
    lines.tell("AAA", at(7), 0.01)  # five days to the minute after the others
    assert lines.ranks(7) == {"AAA": -1.0}
    lines.bars.pop()
    for symbol, value in {"AAA": 0.01, "BBB": 0.02, "CCC": 0.03}.items():
        lines.tell(symbol, at(8), value)
    assert lines.ranks(8) == {"AAA": -1.0, "BBB": 0.0, "CCC": 1.0}  # DDD is no peer any more


def test_peers_are_seen_as_they_were_known_and_not_later(lines: Lines) -> None:
    for symbol, value in {"BBB": 0.02, "CCC": 0.03, "DDD": 0.04}.items():
        lines.tell(symbol, at(2), value)
        lines.tell(symbol, at(3, 22), -value)  # an hour after AAA
    lines.tell("AAA", at(3), 0.01)
    assert lines.ranks(3) == {"AAA": -1.0}


def test_a_late_bar_is_never_anybodys_peer_and_has_no_rank(lines: Lines) -> None:
    for symbol, value in {"AAA": 0.01, "BBB": 0.02, "CCC": 0.03}.items():
        lines.tell(symbol, at(2), value)
    before = lines.asked("cross_sections")
    lines.tell("DDD", at(2), 0.05, is_late=True)
    pd.testing.assert_frame_equal(lines.asked("cross_sections"), before)


def test_a_newly_listed_asset_does_not_change_the_past_of_its_peers(lines: Lines) -> None:
    """It is ranked among them all the same, and counts from the day on which it is listed."""
    for day in (2, 3, 4):
        for symbol, value in {"AAA": 0.01, "BBB": 0.02, "CCC": 0.03}.items():
            lines.tell(symbol, at(day), value)
    before = lines.asked("cross_sections")
    for day in (2, 4):
        lines.tell("NEW", at(day), 0.025)
    lines.tell("NEW", at(3, 12), 0.0)  # at an instant at which no other bar became known
    lines.listed["NEW"] = at(4, 1)
    after = lines.asked("cross_sections")
    past = [rows[(rows["symbol"] != "NEW") & (rows["known_at"] < at(4))] for rows in (before, after)]
    pd.testing.assert_frame_equal(*(rows.reset_index(drop=True) for rows in past))
    mine = after[after["symbol"] == "NEW"].set_index("known_at")["week_rank"]
    assert mine[at(2)] == pytest.approx(1 / 3)
    assert mine[at(3, 12)] == -1.0
    assert lines.ranks(4) == {
        "AAA": -1.0, "BBB": pytest.approx(-1 / 3), "NEW": pytest.approx(1 / 3), "CCC": 1.0
    }  # fmt: skip


def test_an_asset_that_is_not_listed_yet_stands_at_its_own_bars_alone(lines: Lines) -> None:
    for day in (2, 3):
        for symbol in ("AAA", "BBB", "CCC"):
            lines.tell(symbol, at(day), 0.01)
    lines.tell("NEW", at(2), 0.02)
    lines.listed["NEW"] = at(4)
    peers = lines.asked("peers")
    of_new = peers[(peers["symbol"] == "NEW") & (peers["asset_group"] == "equity")]
    assert of_new[["known_at", "is_listed", "is_new"]].to_numpy().tolist() == [[at(2), False, True]]


def test_every_measure_is_ranked_alike(lines: Lines) -> None:
    for symbol, value in {"AAA": 0.01, "BBB": 0.02, "CCC": 0.03}.items():
        lines.tell(symbol, at(2), value)
    rows = lines.asked("cross_sections").set_index("symbol")
    for column in [f"{measure}_rank" for measure in MEASURES] + ["overall_momentum_rank"]:
        assert rows[column].to_dict() == {"AAA": -1.0, "BBB": 0.0, "CCC": 1.0}


@pytest.mark.parametrize(
    ("product", "square", "other", "expected"),
    [(2.0, 4.0, 4.0, 0.5), (-4.0000001, 4.0, 4.0, -1.0), (0.0, 0.0, 4.0, None), (0.0, 0.0, 0.0, None)],
)
def test_what_does_not_deviate_has_no_correlation(
    small_world: World, product: float, square: float, other: float, expected: float | None
) -> None:
    call = f"correlation_of('({product})', '({square})', '({other})')"
    sql = small_world.origin.dbt.inline("select {{ " + call + " }}")
    assert duckdb.sql(sql).fetchall() == [(expected,)]


def test_the_small_world_has_peers_to_look_at(small_world: World) -> None:
    """What the guards cut at must be there: an asset with peers, one listed late, one that ended, volumes."""
    file: Path = small_world.whole
    con = duckdb.connect(str(file), read_only=True)
    try:
        counted = dict(
            con.execute("select signal, count(distinct symbol) from main.signals group by signal").fetchall()
        )
        listed = con.execute(
            "select count(*) from main.peers where symbol = 'MMM-USD' and not is_listed"
        ).fetchall()[0][0]
    finally:
        con.close()
    assert counted["cross_momentum_6m"] == 8
    assert counted["class_momentum_6m"] == 6  # three stocks, three pairs; two coins are too few
    assert counted["volume_spike_1w"] == 4
    assert listed > 100
