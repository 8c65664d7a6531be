"""Landing: what becomes a version and when it was known, and what is refused and why."""

import json
from pathlib import Path

import duckdb
import pytest
from landing_world import STUDY, World, at

from python_steps import study, warehouse
from python_steps.adapters import file
from python_steps.errors import InputError
from python_steps.land_bars import (
    REASONS,
    REASONS_OF_REPEATS,
    REASONS_OF_TIME,
    latest_available_at,
    next_batch_id,
)
from python_steps.register_assets import Delivery

TWO_DAYS = """
symbol, date, close
AAPL, 2019-01-02, 100
AAPL, 2019-01-03, 101
"""
HEADER = (
    "symbol, asset_class, date, opened_at, closed_at, open, high, low, close, volume, known_at, recorded_at"
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def bar(**cells: object) -> str:
    """A line under HEADER: a good bar of AAPL on 2019-01-02, but for the cells given."""
    good: dict[str, object] = {"symbol": "AAPL", "date": "2019-01-02", "close": 100}
    return ", ".join(str((good | cells).get(name, "")) for name in HEADER.split(", "))


def known(world: World) -> list[tuple[str, int, float, str]]:
    query = "select session_date, version, close, known_at from raw.bars order by session_date, version"
    return [(str(day), version, close, f"{at:%m-%d %H:%M}") for day, version, close, at in world.rows(query)]


def reasons(world: World) -> list[tuple[int, str]]:
    return list(world.rows("select row_number, reason from raw.quarantined_bars order by all"))


def record_run(world: World, run_id: str, as_of: str) -> None:
    """A row of raw.runs, of which landing reads two columns only."""
    given = {"run_id": f"'{run_id}'", "as_of": f"timestamp '{as_of}'"}
    filler = {"varchar": "''", "bigint": "1", "timestamp": f"timestamp '{as_of}'"}
    columns = warehouse.declared_columns()["raw.runs"]
    cells = (given.get(name, filler[kind.type]) for name, kind in columns.items())
    world.con.execute(f"insert into raw.runs values ({', '.join(cells)})")


# What a bar is


def test_a_date_becomes_the_session_of_its_venue(world: World):
    world.land(
        f"{HEADER}\n{bar(open=99, high=101, low=98)}\n{bar(symbol='EUR-USD')}\n{bar(symbol='BTC-USD')}"
    )
    query = "select symbol, opened_at, closed_at, available_at, known_at from raw.bars order by symbol"
    assert world.rows(query) == [
        ("AAPL", at("2019-01-02 14:30"), at("2019-01-02 21:00"), *[at("2019-01-02 21:30")] * 2),
        ("BTC-USD", at("2019-01-03 00:00"), at("2019-01-03 00:00"), *[at("2019-01-03 00:05")] * 2),
        ("EUR-USD", at("2019-01-02 13:15"), at("2019-01-02 13:15"), *[at("2019-01-02 15:00")] * 2),
    ]


@pytest.mark.parametrize(
    ("symbol", "opened", "closed", "day"),
    [
        ("AAPL", "2019-01-02 14:30", "2019-01-02 21:00", "2019-01-02"),
        ("BTC-USD", "2019-01-02 00:00", "2019-01-03 00:00", "2019-01-02"),
        ("BTC-USD", "2019-01-03 00:00", "2019-01-03 00:00", "2019-01-02"),
        ("SEK-USD", "2019-01-02 22:00", "2019-01-03 22:00", "2019-01-03"),
        ("SEK-USD", "2019-01-03 00:00", "2019-01-04 00:00", "2019-01-03"),
    ],
)
def test_a_row_with_instants_only_belongs_to_the_session_it_lies_in(
    world: World, symbol: str, opened: str, closed: str, day: str
):
    asset_class = {"AAPL": "equity", "BTC-USD": "crypto"}.get(symbol, "fx")
    row = bar(symbol=symbol, asset_class=asset_class, date="", opened_at=opened, closed_at=closed, open=100)
    world.land(f"{HEADER}\n{row}")
    query = "select session_date::varchar, opened_at, closed_at from raw.bars"
    assert world.rows(query) == [(day, at(opened), at(closed))]


@pytest.mark.parametrize(
    ("symbol", "opened", "closed"),
    [
        ("AAPL", "2019-01-03 00:00", "2019-01-04 00:00"),  # a day of UTC around the session
        ("SEK-USD", "2019-01-02 22:00", "2019-01-03 22:00"),
        ("SEK-USD", "2019-01-03 00:00", "2019-01-04 00:00"),
        ("BTC-USD", "2019-01-03 00:00", "2019-01-04 00:00"),
        ("EUR-USD", "2019-01-03 13:15", "2019-01-03 13:15"),
    ],
)
def test_a_day_that_differs_by_hours_is_not_labelled_by_its_end(
    world: World, symbol: str, opened: str, closed: str
):
    asset_class = {"AAPL": "equity", "BTC-USD": "crypto"}.get(symbol, "fx")
    cells = {"symbol": symbol, "asset_class": asset_class, "opened_at": opened, "closed_at": closed}
    world.land(f"{HEADER}\n{bar(**cells, date='2019-01-03')}")
    assert reasons(world) == []


def test_the_sample_lands_whole_and_without_a_refused_row(tmp_path: Path):
    world = World(tmp_path, tmp_path / "world.duckdb", STUDY)
    payload = file.fetch(study.SEEDS / "sample" / "bars.parquet")
    delivery = Delivery(file.parse(payload).rows, payload.payload_hash, payload.name)
    report = world.land(delivery)
    assert (report.rows_landed, report.rows_quarantined, len(report.new_symbols)) == (54490, 0, 40)
    assert report.registered == ()
    assert world.rows("select max(known_at), max(recorded_at) from raw.bars") == [
        (at("2019-10-01 00:05"),) * 2
    ]


@pytest.mark.parametrize(("asset_class", "venue"), [("fx", "ECB"), ("equity", "XNYS"), ("crypto", "CRYPTO")])
def test_the_sample_has_a_bar_in_every_session_and_no_other(world: World, asset_class: str, venue: str):
    world.con.register("sessions", STUDY["sessions"])
    query = f"""
    with days as (
        select symbol, list(date order by date) as days
        from '{study.SEEDS}/sample/bars.parquet' where asset_class = '{asset_class}' group by symbol
    )
    select symbol from days where days <> (
        select list(session_date::date order by session_date) from sessions
        where venue = '{venue}' and session_date between days[1]::varchar and '2019-09-30'
    )
    """
    assert world.rows(query) == []


# Why a row is refused

BAD = {
    "not_finite": bar(close="nan"),
    "not_positive": bar(close=0),
    "high_below_low": bar(open=100, high=99, low=101),
    "close_outside_range": bar(open=100, high=101, low=99, close=102),
    "negative_volume": bar(volume=-1),
    "repeated": f"{bar()}\n{bar()}",
    "conflicting_repeat": f"{bar()}\n{bar(close=101)}",
    "unclosed": bar(date="2019-01-08", recorded_at="2019-01-08 15:00"),
    "from_the_future": bar(date="2019-01-08", recorded_at="2019-01-08 14:00"),
    "not_a_session": bar(date="2019-01-05"),
    "after_the_end": bar(symbol="GONE", date="2019-01-08"),
    "labelled_by_end": bar(
        symbol="BTC-USD", date="2019-01-03", opened_at="2019-01-02 00:00", closed_at="2019-01-03 00:00"
    ),
    "closed_before_opened": bar(opened_at="2019-01-02 21:00", closed_at="2019-01-02 14:30"),
    "known_before_close": bar(known_at="2019-01-02 20:59"),
}


def ended(world: World) -> Delivery:
    return world.deliver_assets("symbol, asset_class, member_until\nGONE, equity, 2019-01-08")


def test_every_reason_has_a_bad_row():
    assert BAD.keys() == REASONS.keys() | REASONS_OF_TIME.keys() | REASONS_OF_REPEATS.keys()


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_row_is_set_apart_with_its_reason_and_the_good_one_lands(world: World, reason: str):
    good = bar(date="2019-01-07", recorded_at="2019-01-08")
    report = world.land(f"{HEADER}\n{good}\n{BAD[reason]}", as_of="2019-01-10", asset_file=ended(world))
    assert {found for _, found in reasons(world)} == {reason}
    assert report.reasons.keys() == {reason}
    assert at("2019-01-07").date() in {day for (day,) in world.rows("select session_date from raw.bars")}


@pytest.mark.parametrize("reason", BAD)
def test_landing_a_bad_row_again_adds_nothing(world: World, reason: str):
    text = f"{HEADER}\n{bar(date='2019-01-07')}\n{BAD[reason]}"
    world.land(text, as_of="2019-01-10", asset_file=ended(world))
    before = world.rows("from raw.quarantined_bars order by all")
    report = world.land(text, as_of="2019-01-10")
    assert world.rows("from raw.quarantined_bars order by all") == before != []
    assert (report.has_batch, report.rows_landed, report.rows_quarantined > 0) == (False, 0, True)


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
@pytest.mark.parametrize("cell", ["nan", "inf"])
def test_no_number_of_a_bar_may_be_infinite_or_none(world: World, column: str, cell: str):
    world.land(f"{HEADER}\n{bar(**{column: cell})}", as_of="2019-01-10")
    assert (1, "not_finite") in reasons(world)


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
def test_no_price_may_be_zero(world: World, column: str):
    world.land(f"{HEADER}\n{bar(**{column: 0})}", as_of="2019-01-10")
    assert (1, "not_positive") in reasons(world)


@pytest.mark.parametrize("cells", [{"open": 98}, {"open": 102}, {"close": 98}, {"close": 102}])
def test_open_and_close_lie_from_low_to_high(world: World, cells: dict[str, int]):
    row = bar(**({"open": 100, "high": 101, "low": 99} | cells))
    world.land(f"{HEADER}\n{row}", as_of="2019-01-10")
    assert reasons(world) == [(1, "close_outside_range")]


def test_a_bar_without_a_close_is_refused(world: World):
    world.land(f"{HEADER}\n{bar(close='')}", as_of="2019-01-10")
    assert reasons(world) == [(1, "not_finite")]


@pytest.mark.parametrize(
    ("as_of", "reason"),
    [
        ("2019-01-02 14:29", "from_the_future"),
        ("2019-01-02 14:30", "unclosed"),
        ("2019-01-02 20:59", "unclosed"),
        ("2019-01-02 21:00", None),
    ],
)
def test_a_bar_counts_from_its_close_on(world: World, as_of: str, reason: str | None):
    world.land(f"{HEADER}\n{bar()}", as_of=as_of)
    assert [found for _, found in reasons(world)] == ([reason] if reason else [])
    assert len(known(world)) == (reason is None)


def test_a_bar_refused_for_its_time_lands_once_it_has_closed(world: World):
    world.land(TWO_DAYS, as_of="2019-01-02 23:00")
    assert reasons(world) == [(2, "from_the_future")]
    world.land(TWO_DAYS, as_of="2019-01-03 23:00")
    assert known(world) == [("2019-01-02", 1, 100, "01-02 21:30"), ("2019-01-03", 1, 101, "01-03 21:30")]


def test_a_landed_bar_is_no_news_to_an_earlier_as_of(world: World):
    world.land(TWO_DAYS)
    assert not world.land(TWO_DAYS, as_of="2019-01-02 23:00").has_batch


def test_of_equal_rows_the_first_lands_and_of_conflicting_ones_none(world: World):
    equal = "\n".join([bar(), bar(), bar()])
    differing = "\n".join([bar(date="2019-01-03"), bar(date="2019-01-03", close=101)])
    world.land(f"{HEADER}\n{equal}\n{differing}", as_of="2019-01-10")
    assert world.rows("select row_number, close from raw.bars") == [(1, 100.0)]
    assert reasons(world) == [
        *[(2, "repeated"), (3, "repeated")],
        *[(4, "conflicting_repeat"), (5, "conflicting_repeat")],
    ]


def test_the_refused_row_is_kept_as_it_came(world: World):
    world.land(f"{HEADER}\n{bar(close=-5, volume='inf')}", as_of="2019-01-10")
    query = "select distinct row_json, source, recorded_at, known_at from raw.quarantined_bars"
    [(row_json, source, *instants)] = world.rows(query)
    found = {name: value for name, value in json.loads(row_json).items() if value is not None}
    assert found == {"symbol": "AAPL", "date": "2019-01-02", "close": "-5.0", "volume": "inf"}
    assert (source, instants) == ("my.csv", [at("2019-01-10")] * 2)


def test_details_say_what_was_found_and_what_was_expected(world: World):
    world.land(f"{HEADER}\n{bar(open=100, high=101, low=99, close=102)}", as_of="2019-01-10")
    assert world.rows("select detail from raw.quarantined_bars") == [
        ("open 100.0, high 101.0, low 99.0, close 102.0; expected open and close from low to high",)
    ]


# When a version was known


def test_landing_twice_lands_nothing(world: World):
    first = world.land(TWO_DAYS)
    before = world.rows("from raw.bars")
    again = world.land(TWO_DAYS)
    later = world.land(TWO_DAYS, as_of="2019-06-01")
    assert (first.rows_landed, again.rows_landed, later.rows_landed) == (2, 0, 0)
    assert world.rows("from raw.bars") == before
    assert world.rows("select count(*) from raw.batches") == [(1,)]


def test_a_restated_bar_is_a_new_version_known_when_it_was_landed(world: World):
    world.land(TWO_DAYS)
    report = world.land(TWO_DAYS.replace("100", "99"), as_of="2019-01-20")
    assert (report.rows_landed, report.restated) == (1, 1)
    assert known(world) == [
        ("2019-01-02", 1, 100, "01-02 21:30"),
        ("2019-01-02", 2, 99, "01-20 00:00"),
        ("2019-01-03", 1, 101, "01-03 21:30"),
    ]


def test_a_bar_restated_back_is_a_third_version(world: World):
    for day, close in enumerate(["100", "99", "100"], 20):
        world.land(TWO_DAYS.replace("100", close), as_of=f"2019-01-{day}")
    assert [row[1:3] for row in known(world)][:3] == [(1, 100), (2, 99), (3, 100)]


def test_a_late_bar_is_known_when_it_was_landed(world: World):
    world.land("symbol, date, close\nAAPL, 2019-01-03, 101")
    world.land(f"{TWO_DAYS}AAPL, 2019-01-04, 102", as_of="2019-01-04 23:00")
    assert known(world) == [
        ("2019-01-02", 1, 100, "01-04 23:00"),
        ("2019-01-03", 1, 101, "01-03 21:30"),
        ("2019-01-04", 1, 102, "01-04 21:30"),
    ]


def test_a_bar_that_a_run_in_between_could_have_seen_is_late(world: World):
    """A run that landed nothing leaves no batch, yet it decided without the bar."""
    world.land("symbol, date, close\nAAPL, 2019-01-02, 100")
    record_run(world, "run x", "2019-01-03 22:00")
    world.land(TWO_DAYS, as_of="2019-01-04 10:00")
    assert known(world)[1] == ("2019-01-03", 1, 101, "01-04 10:00")


def test_the_history_of_a_new_symbol_is_known_from_its_own_bars(world: World):
    world.land(TWO_DAYS)
    report = world.land(TWO_DAYS.replace("AAPL", "AMZN"), as_of="2019-06-01")
    assert report.new_symbols == ("AMZN",)
    assert world.rows("select count(*) from raw.bars where known_at = available_at") == [(4,)]


def test_a_restatement_is_never_known_before_the_version_it_replaces(world: World):
    header = "symbol, date, close, known_at"
    world.land(f"{header}\nAAPL, 2019-01-02, 100, 2019-03-01", as_of="2019-01-05")
    world.land(f"{header}\nAAPL, 2019-01-02, 99, 2019-01-03", as_of="2019-01-06")
    assert [row[3] for row in known(world)] == ["03-01 00:00", "03-01 00:00"]


def test_known_at_of_a_file_takes_the_place_of_available_at(world: World):
    world.land(f"{HEADER}\n{bar(known_at='2019-01-09')}")
    assert world.rows("select available_at, known_at, recorded_at from raw.bars") == [(at("2019-01-09"),) * 3]


VERSIONS = f"""
{HEADER}
{bar(close=103, recorded_at="2019-01-20")}
{bar(close=100, recorded_at="2019-01-02 22:00")}
{bar(close=100, recorded_at="2019-01-08")}
{bar(close=102, recorded_at="2019-01-10")}
"""
LANDED_VERSIONS = [
    ("2019-01-02", 1, 100, "01-02 21:30"),
    ("2019-01-02", 2, 102, "01-10 00:00"),
    ("2019-01-02", 3, 103, "01-20 00:00"),
]


def test_a_file_may_bring_several_versions_ordered_by_when_they_were_recorded(world: World):
    assert world.land(VERSIONS).restated == 2
    assert known(world) == LANDED_VERSIONS


def test_landing_several_versions_twice_lands_nothing(world: World):
    world.land(VERSIONS)
    assert world.land(VERSIONS, as_of="2019-06-01").rows_landed == 0
    assert known(world) == LANDED_VERSIONS


def test_landing_versions_told_apart_by_known_at_twice_lands_nothing(world: World):
    text = f"{HEADER}\n{bar(known_at='2019-01-03')}\n{bar(close=101, known_at='2019-01-05')}"
    world.land(text)
    assert known(world) == [("2019-01-02", 1, 100, "01-03 00:00"), ("2019-01-02", 2, 101, "01-05 00:00")]
    assert world.land(text, as_of="2019-06-01").rows_landed == 0


def test_a_longer_file_of_versions_adds_only_the_new_one(world: World):
    world.land(VERSIONS)
    world.land(f"{VERSIONS.strip()}\n{bar(close=104, recorded_at='2019-01-25')}")
    assert known(world) == [*LANDED_VERSIONS, ("2019-01-02", 4, 104, "01-25 00:00")]


def test_what_replaces_a_refused_first_print_is_not_known_before_it_was_recorded(world: World):
    bad = bar(close=0, recorded_at="2019-01-02 22:00")
    world.land(f"{HEADER}\n{bad}\n{bar(close=100, recorded_at='2019-01-08')}")
    assert known(world) == [("2019-01-02", 1, 100, "01-08 00:00")]


def test_files_of_one_run_share_a_batch_and_the_later_file_restates_the_earlier(world: World):
    one = world.deliver(TWO_DAYS, "one.csv")
    two = world.deliver(TWO_DAYS.replace("100", "99"), "two.csv")
    nothing_new = world.deliver(TWO_DAYS.replace("100", "99"), "three.csv")
    world.land(one, two, nothing_new)
    assert world.rows("select batch_id, source, rows_seen, rows_landed from raw.batches order by source") == [
        (1, "one.csv", 2, 2),
        (1, "two.csv", 2, 1),
    ]
    assert [row[1:3] for row in known(world)] == [(1, 100), (2, 99), (1, 101)]


def test_the_order_of_rows_in_a_file_changes_no_bar(tmp_path: Path):
    lines = VERSIONS.strip().splitlines()
    landed = []
    for name, rows in (("a", lines[1:]), ("b", lines[:0:-1])):
        (tmp_path / name).mkdir()
        world = World(tmp_path / name)
        world.land("\n".join([lines[0], *rows]))
        landed.append(world.rows("select * exclude row_number from raw.bars order by all"))
    assert landed[0] == landed[1]


# The as_of of a landing


@pytest.mark.parametrize("as_of", ["2019-01-01 10:00", "2019-01-03 21:30"])
def test_news_as_of_an_earlier_landing_or_the_same_is_refused_whole(world: World, as_of: str):
    world.land(TWO_DAYS)
    with pytest.raises(
        InputError, match=r"my\.csv: brings new rows as of .* 2019-01-03 21:30:00; expected a later"
    ):
        world.land("symbol, date, close\nAMZN, 2019-01-02, 0\nAMZN, 2018-12-31, 5", as_of=as_of)
    assert world.rows(
        "select count(*) from raw.bars union all select count(*) from raw.quarantined_bars"
    ) == [
        (2,),
        (0,),
    ]


def test_the_run_that_is_landing_does_not_stand_in_its_own_way(world: World):
    world.land(TWO_DAYS, run_id="a")
    record_run(world, "b", "2019-01-05")
    late = f"{TWO_DAYS}AAPL, 2019-01-04, 102"
    with pytest.raises(InputError, match="expected a later as-of"):
        world.land(late, as_of="2019-01-05", run_id="c")
    assert world.land(late, as_of="2019-01-05", run_id="b").rows_landed == 1


def test_the_default_as_of_is_the_last_instant_at_which_a_good_row_was_available(world: World):
    bad = f"{bar(date='2019-01-08', close=0)}\n{bar(date='2019-01-12')}"
    rows = [world.deliver(f"{HEADER}\n{bar()}\n{bad}")]
    assert latest_available_at(world.con, rows, world.seeds) == at("2019-01-02 21:30")
    rows.append(world.deliver(f"{HEADER}\n{bar(recorded_at='2019-01-09')}"))
    assert latest_available_at(world.con, rows, world.seeds) == at("2019-01-09")


def test_a_file_without_a_good_row_has_no_default_as_of(world: World):
    rows = [world.deliver(f"{HEADER}\n{bar(close=0)}")]
    with pytest.raises(InputError, match=r"my\.csv: no row can be used; refused: .*not_positive"):
        latest_available_at(world.con, rows, world.seeds)


def test_a_failed_landing_leaves_nothing_behind(world: World):
    world.con.execute("alter table raw.batches drop column loaded_at")
    with pytest.raises(duckdb.BinderException, match="loaded_at"):
        world.land(TWO_DAYS)
    assert world.rows("from raw.bars") == []
    assert world.rows("select table_name from duckdb_tables() where temporary") == []
    assert world.rows("select view_name from duckdb_views() where not internal") == []


# Assets


def test_an_unknown_symbol_is_registered_with_the_class_of_its_row(world: World):
    report = world.land(
        "symbol, asset_class, date, close\nVOLV, equity, 2019-01-02, 5\nAAPL, , 2019-01-02, 9"
    )
    assert report.registered == ("VOLV",)
    assert world.rows("from raw.assets") == [(1, "VOLV", "equity", "XNYS", "USD", None, None, None, "none")]
    assert world.land("symbol, date, close\nVOLV, 2019-01-03, 6").registered == ()


def test_an_unknown_symbol_may_come_with_a_file_of_assets(world: World):
    assets = """
    symbol, asset_class, venue, currency, member_until, known_at
    VOLV, equity, , SEK, 2019-05-01, 2019-04-01
    SEK-USD, fx, ECB, USD, ,
    """
    text = "symbol, date, close\nVOLV, 2019-01-02, 5\nSEK-USD, 2019-01-02, 0.1"
    report = world.land(text, asset_file=world.deliver_assets(assets))
    assert report.registered == ("SEK-USD", "VOLV")
    assert world.rows("select symbol, venue, currency, member_until::varchar, known_at from raw.assets") == [
        ("SEK-USD", "ECB", "USD", None, None),
        ("VOLV", "XNYS", "SEK", "2019-05-01", at("2019-04-01")),
    ]
    assert world.rows("select closed_at from raw.bars where symbol = 'SEK-USD'") == [
        (at("2019-01-02 13:15"),)
    ]
    assert not world.land(text, asset_file=world.deliver_assets(assets)).has_batch


def test_what_prices_are_adjusted_for_is_as_the_file_says_or_as_known(world: World):
    assets = """
    symbol, asset_class, adjustment
    VOLV, equity, splits
    ABB, equity,
    AAPL, equity,
    """
    text = "symbol, date, close\nVOLV, 2019-01-02, 5\nABB, 2019-01-02, 6\nAAPL, 2019-01-02, 7"
    world.land(text, asset_file=world.deliver_assets(assets))
    assert world.rows("select symbol, adjustment from raw.assets order by symbol") == [
        ("ABB", "none"),
        ("VOLV", "splits"),
    ]


def test_a_membership_that_ends_is_a_new_row_and_the_last_one_counts(world: World):
    world.land(TWO_DAYS)
    assets = "symbol, asset_class, member_until\nAAPL, equity, 2019-05-01"
    report = world.land(TWO_DAYS, asset_file=world.deliver_assets(assets), as_of="2019-04-01")
    assert (report.rows_landed, report.registered) == (0, ("AAPL",))
    assert world.rows("select source, rows_landed from raw.batches where batch_id = 2") == [("assets.csv", 1)]
    assert not world.land(TWO_DAYS, asset_file=world.deliver_assets(assets), as_of="2019-06-01").has_batch


def test_a_symbol_of_which_no_bar_lands_is_not_registered(world: World):
    text = "symbol, asset_class, date, close\nVOLV, equity, 2019-01-02, 0\nAAPL, equity, 2019-01-02, 9"
    assert world.land(text).registered == ()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            "AAPL, , 2019-01-02, 5\nVOLV, , 2019-01-02, 5",
            "my.csv: row 2: VOLV is unknown and has no 'asset_class'",
        ),
        (
            "VOLV, bond, 2019-01-02, 5",
            "my.csv: row 1: asset_class 'bond' is unknown; expected crypto or equity",
        ),
        ("AAPL, fx, 2019-01-02, 5", "my.csv: row 1: AAPL is 'fx'; expected 'equity'"),
        ("V, fx, 2019-01-02, 5\nV, equity, 2019-01-02, 5", "my.csv: row 2: V is 'equity'; expected 'fx'"),
        ("CASH, fx, 2019-01-02, 5", "my.csv: row 1: symbol 'CASH'"),
    ],
)
def test_an_asset_that_cannot_be_placed_is_one_clear_line(world: World, rows: str, said: str):
    with pytest.raises(InputError, match=said):
        world.land(f"symbol, asset_class, date, close\n{rows}", as_of="2019-01-10")
    assert world.rows("from raw.batches") == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            "VOLV, equity, XSTO",
            "assets.csv: row 1: venue 'XSTO' is unknown; expected CRYPTO or ECB or FX or XETR or XLON",
        ),
        ("AAPL, equity, FX", "assets.csv: row 1: AAPL is known with venue XNYS"),
        ("cash, equity, XNYS", "assets.csv: row 1: symbol 'cash'"),
        (
            "VOLV, equity, XNYS, some",
            "assets.csv: row 1: adjustment 'some' is unknown; expected none or splits or splits_and_div",
        ),
        ("AAPL, equity, XNYS, none", "assets.csv: row 1: AAPL is known with adjustment 'splits_and_div"),
    ],
)
def test_a_bad_asset_file_is_one_clear_line(world: World, row: str, said: str):
    columns = "symbol, asset_class, venue" + ", adjustment" * (row.count(",") > 2)
    assets = world.deliver_assets(f"{columns}\n{row}")
    with pytest.raises(InputError, match=said):
        world.land(TWO_DAYS, asset_file=assets)


# The study


def test_a_seed_lands_again_only_when_its_file_changes(world: World):
    folder = world.folder / "seeds"
    folder.mkdir()
    (folder / "costs.csv").write_text('cost_schedule,fee_bps,note\nzero,0,"a, b"\nmine,,\n', "utf-8")
    (folder / "clocks.csv").write_text("clock\nglobal\n", "utf-8")
    assert study.land_study(world.con, 1, folder) == ["clocks", "costs"]
    assert study.land_study(world.con, 2, folder) == []
    (folder / "clocks.csv").write_text("clock\nlocal\n", "utf-8")
    assert study.land_study(world.con, 3, folder) == ["clocks"]
    (folder / "clocks.csv").write_text("clock\nglobal\n", "utf-8")
    assert study.land_study(world.con, 4, folder) == ["clocks"]
    [(rows_json,)] = world.rows("select rows_json from raw.study where seed = 'costs'")
    assert json.loads(rows_json) == [
        {"cost_schedule": "zero", "fee_bps": "0", "note": "a, b"},
        {"cost_schedule": "mine", "fee_bps": None, "note": None},
    ]
    assert next_batch_id(world.con) == 5


def test_a_seed_with_a_ragged_row_is_one_clear_line(tmp_path: Path):
    (tmp_path / "costs.csv").write_text("a,b\n1,2\n1\n", "utf-8")
    with pytest.raises(InputError, match=r"costs\.csv: row 2: 1 cells; expected 2"):
        study.read_study(tmp_path)
