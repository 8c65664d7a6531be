"""Splits and dividends in round numbers: how they land, what a return is with them, and who is paid when.

All stocks open and close at one price: 100 until 7 January 2019, and what is told of each from the 8th on.
"""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from python_steps.adapters import file as file_adapter
from python_steps.book import Book, Fill, LateAction
from python_steps.errors import InputError
from python_steps.land_actions import land_actions
from python_steps.register_assets import Delivery
from tests.steps.landing_world import World as LandingWorld
from tests.steps.landing_world import at
from tests.worlds.landed import Landed, land
from tests.worlds.small import World

POLICY = "extends: default\nplan: short\n"
MADE = ("booked_pnl", "daily_returns", "bar_statistics", "late_actions")
DAYS = [dt.date(2019, 1, day) for day in (2, 3, 4, 7, 8, 9, 10, 11, 14, 15)]
EX = dt.date(2019, 1, 8)

# Symbol: prices from the 8th on, adjustment of the feed, actions as (kind, value, when it was told).
STOCKS: Mapping[str, tuple[list[float], str, list[tuple[str, float, str | None]]]] = {
    "SPLIT": ([50, 55], "none", [("split", 2, None)]),
    "PAYS": ([98, 98], "none", [("dividend", 2, "2018-12-20")]),
    "BOTH": ([48, 48], "none", [("split", 2, None), ("dividend", 4, None)]),
    "LATE": ([80, 80, 80, 88], "none", [("split", 1.25, "2019-01-10 12:00")]),
    "OWED": ([98, 98], "none", [("dividend", 2, "2019-01-10 12:00")]),
    "FIXED": ([80, 80], "none", [("split", 1.2, None), ("split", 1.25, "2019-01-10 12:00")]),
    "SELF": ([98, 98], "splits", [("split", 2, None), ("dividend", 2, None)]),
    "WHOLE": ([100, 100], "splits_and_dividends", [("split", 2, None), ("dividend", 2, None)]),
    "ENDS": ([98], "none", [("dividend", 2, None)]),
    "FAR": ([50, 50], "none", [("split", 2, "2018-12-20")]),
}


def closes(symbol: str) -> list[float]:
    prices = [100.0] * 4 + [float(price) for price in STOCKS[symbol][0]]
    length = 5 if symbol == "ENDS" else len(DAYS)
    return prices + [prices[-1]] * (length - len(prices))


@pytest.fixture(scope="module")
def world(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> Landed:
    """All of it landed from files, and derived up to the profit of strategies."""
    rows = [
        {"symbol": symbol, "asset_class": "equity", "date": day, "volume": 1000.0}
        | dict.fromkeys(["open", "high", "low", "close"], price)
        for symbol in STOCKS
        for day, price in zip(DAYS, closes(symbol), strict=False)
    ]
    assets = [
        {"symbol": symbol, "asset_class": "equity", "venue": "XNYS", "currency": "USD"}
        | {"adjustment": adjustment, "member_until": DAYS[5] if symbol == "ENDS" else None}
        for symbol, (_, adjustment, _) in STOCKS.items()
    ]
    actions = [
        {"symbol": symbol, "ex_date": EX, "kind": kind, "value": value, "known_at": told}
        for symbol, (_, _, of_symbol) in STOCKS.items()
        for kind, value, told in of_symbol
    ]
    # A split long after the last bar, told already, changes nothing yet.
    later = {"symbol": "FAR", "ex_date": "2019-03-01", "kind": "split", "value": 7, "known_at": "2018-12-20"}
    told = land(
        tmp_path_factory.mktemp("actions"),
        pd.DataFrame(rows),
        POLICY,
        pd.DataFrame(assets),
        pd.DataFrame([*actions, later]),
    )
    small_world.dbt.on(told.file).run(select=[f"+{name}" for name in MADE])
    return told


def returns(world: Landed, symbol: str, day: dt.date = EX) -> dict[str, float]:
    query = f"from main.daily_returns where symbol = '{symbol}' and session_date = '{day}'"
    (row,) = world.query(query).to_dict("records")
    return {name: row[name] for name in ("simple_return", "log_return", "total_return")}


def trip(world: Landed, symbol: str) -> list[dict[str, Any]]:
    """The profit of holding from the open of the 7th to that of the 8th, and what was told of it later."""
    query = f"""
        select fill_price, exit_price, gross_return, cost, status, known_at from main.strategy_pnl
        where strategy = 'always_long' and symbol = '{symbol}' and decision_at = '2019-01-04 14:00'
        order by known_at
    """
    return world.query(query).to_dict("records")


def test_a_split_is_no_return_whoever_asks(world: Landed):
    assert returns(world, "SPLIT") == {"simple_return": 0, "log_return": 0, "total_return": 0}
    assert returns(world, "SPLIT", DAYS[5])["total_return"] == pytest.approx(0.1)


def test_a_dividend_is_in_the_total_return_only(world: Landed):
    found = returns(world, "PAYS")
    assert found["simple_return"] == pytest.approx(-0.02)
    assert found["total_return"] == pytest.approx(0, abs=1e-15)


def test_a_dividend_is_paid_on_the_shares_of_before_a_split_of_its_day(world: Landed):
    assert returns(world, "BOTH")["simple_return"] == pytest.approx(-0.04)
    assert returns(world, "BOTH")["total_return"] == pytest.approx(0, abs=1e-15)


def test_a_feed_is_adjusted_only_for_what_it_has_not_adjusted_itself(world: Landed):
    assert returns(world, "SELF")["simple_return"] == pytest.approx(-0.02)
    assert returns(world, "SELF")["total_return"] == pytest.approx(0, abs=1e-15)
    assert returns(world, "WHOLE") == {"simple_return": 0, "log_return": 0, "total_return": 0}
    applied = "select symbol || ' ' || string_agg(kind order by kind) as said from main.actions"
    said = world.query(f"{applied} where symbol in ('SELF', 'WHOLE', 'BOTH') group by symbol order by symbol")
    assert said["said"].tolist() == ["BOTH dividend,split", "SELF dividend"]


def test_nothing_is_seen_of_an_action_before_its_day(world: Landed):
    assert returns(world, "FAR") == returns(world, "SPLIT")
    shares = world.query("select distinct shares from main.vintage_prices where symbol = 'FAR'")
    assert sorted(shares["shares"]) == [1, 2]


def test_highs_and_closes_go_on_through_a_split(world: Landed):
    query = "select close, price_level from main.bar_statistics where symbol = 'SPLIT' order by session_date"
    found = world.query(query)
    assert found["close"].tolist() == [100] * 4 + [110] * 5  # the first bar has no return
    assert found["price_level"].tolist() == [100] * 3 + [50] + [55] * 5  # what was paid


def test_a_split_that_is_told_explains_a_bar_that_would_be_suspect(world: Landed):
    query = "select known_at from main.first_prints where symbol = 'SPLIT' and session_date = '2019-01-08'"
    assert world.query(query)["known_at"].tolist() == [pd.Timestamp("2019-01-08 21:30")]


@pytest.mark.parametrize("symbol", ["SPLIT", "PAYS", "BOTH", "SELF", "WHOLE", "ENDS"])
def test_the_price_paid_is_the_price_of_the_feed_and_the_profit_knows_what_came_between(
    world: Landed, symbol: str
):
    (row,) = trip(world, symbol)
    assert (row["fill_price"], row["exit_price"]) == (100, closes(symbol)[4])
    assert row["gross_return"] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(
    ("symbol", "before", "difference"), [("LATE", -0.2, 0.2), ("OWED", -0.02, 0.02), ("FIXED", -0.04, 0.04)]
)
def test_what_is_told_late_is_one_more_row_equal_to_the_difference(
    world: Landed, symbol: str, before: float, difference: float
):
    first, corrected = trip(world, symbol)
    assert (first["status"], corrected["status"]) == ("filled", "corrected")
    assert first["gross_return"] == pytest.approx(before)
    assert first["known_at"] == pd.Timestamp("2019-01-08 21:30")
    assert corrected["gross_return"] == pytest.approx(difference)
    assert corrected["known_at"] == pd.Timestamp("2019-01-10 12:00")
    assert corrected["cost"] == 0


def test_a_correction_is_booked_with_the_first_order_decided_knowing_it(world: Landed):
    query = """
        select booked.decision_at, booked.gross_return - pnl.gross_return as more
        from main.booked_pnl as booked
        inner join main.strategy_pnl as pnl using (clock, strategy, symbol, decision_at)
        where strategy = 'always_long' and symbol = 'LATE' and pnl.status = 'filled'
            and booked.gross_return <> pnl.gross_return
    """
    (row,) = world.query(query).to_dict("records")
    assert row["decision_at"] == pd.Timestamp("2019-01-10 14:00")
    assert row["more"] == pytest.approx(0.2)


def test_what_is_told_late_changes_no_return_known_before_and_every_one_after(world: Landed):
    assert returns(world, "LATE")["total_return"] == pytest.approx(-0.2)  # as it was known on the 8th
    assert returns(world, "LATE", DAYS[7])["total_return"] == pytest.approx(0.1)
    query = "select close from main.bar_statistics where symbol = 'LATE' order by session_date"
    assert world.query(query)["close"].tolist() == [100] * 3 + [80, 80] + [100] + [110] * 3


def test_a_late_action_is_worth_what_it_adds_to_the_marks(world: Landed):
    query = "select symbol, growth, printed_at, known_at from main.late_actions order by symbol"
    found = world.query(query)
    growth = dict(zip(found["symbol"], found["growth"], strict=True))
    assert growth == pytest.approx({"FIXED": 1.25 / 1.2, "LATE": 1.25, "OWED": 100 / 98})
    assert set(found["printed_at"]) == {pd.Timestamp("2019-01-08 21:30")}
    assert set(found["known_at"]) == {pd.Timestamp("2019-01-10 12:00")}


def test_a_dividend_of_the_last_day_belongs_to_who_held_until_then(world: Landed):
    levels = world.query("select index_level from main.price_index where symbol = 'ENDS'")["index_level"]
    assert levels.tolist() == pytest.approx([1] * 5)
    closing = "select exit_price, unit_return from main.order_returns where symbol = 'ENDS' and is_closing"
    assert world.query(closing).to_numpy().tolist() == [[98, 0]]


@pytest.mark.parametrize(("symbol", "told_at"), [("SPLIT", None), ("PAYS", None), ("LATE", 6), ("OWED", 6)])
def test_the_value_of_a_portfolio_goes_on_through_an_action_at_the_latest_once_it_is_told(
    world: Landed, symbol: str, told_at: int | None
):
    """Held through the ex-date, and ordered again each day."""
    marks = world.query(f"select session_date, index_level from main.price_index where symbol = '{symbol}'")
    level = dict(zip(marks["session_date"].dt.date, marks["index_level"], strict=True))
    late = world.query(f"select * from main.late_actions where symbol = '{symbol}'").to_dict("records")
    told = [LateAction(4, 4, told_at or 0, row["growth"]) for row in late]
    book, values = Book(late={symbol: told} if told else {}), []
    book.settle(0, {symbol: level[DAYS[0]]}, {}, {})
    book.order(0, {symbol: 1.0})
    for number, day in enumerate(DAYS[:8]):
        if number:
            fills = {
                (symbol, before): Fill(before + 1, "filled", level[DAYS[before + 1]], 0.0, before + 1)
                for before in range(number)
            }
            book.settle(number, {symbol: level[day]}, fills, {})
            book.order(number, {symbol: 1.0})
        values.append(book.value)
    until = told_at or len(values)
    assert values[:4] == pytest.approx([1.0] * 4)
    if told_at:
        assert values[4:until] == pytest.approx([level[EX]] * (until - 4))
        assert values[until] == pytest.approx(1.0)
    else:
        assert values[4] == pytest.approx(1.0)


# How actions land.


@pytest.fixture
def landing(tmp_path: Path) -> LandingWorld:
    return LandingWorld(tmp_path)


BARS = "symbol, date, close\nAAPL, 2019-01-02, 100\nAAPL, 2019-01-03, 100"
HEADER = "symbol, ex_date, kind, value, known_at\n"


def told(landing: LandingWorld, text: str, as_of: str = "2019-01-10", vendor: str = "file") -> Any:
    payload = landing.fetch(HEADER + text, "actions.csv")
    rows = file_adapter.parse_actions(payload).rows
    return land_actions(
        landing.con,
        [Delivery(rows, payload.payload_hash, payload.name, vendor)],
        landing.seeds,
        as_of=at(as_of),
        batch_id=next(landing.batches),
        run_id=as_of,
        loaded_at=dt.datetime(2026, 1, 1),
    )


def landed(landing: LandingWorld) -> list[tuple[Any, ...]]:
    return landing.rows("select version, value, known_at from raw.actions order by ex_date, kind, version")


def test_an_action_of_the_first_landing_is_known_when_announced_or_at_the_open_of_its_ex_date(landing):
    told(landing, "AAPL, 2019-01-08, split, 2, 2018-12-20 12:00\nAAPL, 2019-01-09, dividend, 1,")
    assert landed(landing) == [(1, 2, at("2018-12-20 12:00")), (1, 1, at("2019-01-09 14:30"))]


def test_an_ex_date_without_a_session_is_that_of_the_next(landing):
    told(landing, "AAPL, 2019-01-05, split, 2,")
    assert landed(landing) == [(1, 2, at("2019-01-07 14:30"))]


def test_what_comes_after_the_bars_is_known_no_earlier_than_the_landing_before_could_have_told(landing):
    landing.land(BARS, as_of="2019-01-04")
    told(landing, "AAPL, 2019-01-03, dividend, 1, 2018-12-20\nAAPL, 2019-01-08, dividend, 2,")
    assert landed(landing) == [(1, 1, at("2019-01-10")), (1, 2, at("2019-01-08 14:30"))]


def test_a_change_is_a_version_known_when_it_is_told_and_an_equal_row_is_none(landing):
    landing.land(BARS, as_of="2019-01-04")
    text = "AAPL, 2019-01-08, dividend, 1,"
    assert told(landing, text).rows_landed == 1
    assert told(landing, text, "2019-01-11").rows_landed == 0
    assert told(landing, "AAPL, 2019-01-08, dividend, 1.5,", "2019-01-11").restated == 1
    announced = "AAPL, 2019-01-08, dividend, 2, 2019-01-12 09:00"
    assert told(landing, announced, "2019-01-14").restated == 1
    assert landed(landing) == [
        (1, 1, at("2019-01-08 14:30")),
        (2, 1.5, at("2019-01-11")),
        (3, 2, at("2019-01-12 09:00")),
    ]
    assert told(landing, announced, "2019-01-15").rows_landed == 0


def test_a_version_is_never_known_before_the_one_before_it(landing):
    told(
        landing,
        "AAPL, 2019-01-08, split, 2, 2019-01-04\nAAPL, 2019-01-08, split, 3, 2019-01-03\n"
        "AAPL, 2019-01-08, split, 4,",
    )
    assert landed(landing) == [(1, 3, at("2019-01-03")), (2, 2, at("2019-01-04")), (3, 4, at("2019-01-10"))]


def test_a_row_without_a_vendor_speaks_for_the_one_that_is_heard(landing):
    told(landing, "AAPL, 2019-01-08, split, 2,", vendor="yahoo")
    told(landing, "AAPL, 2019-01-08, split, 3,", "2019-01-11")
    assert landing.rows("select version, value, vendor from raw.actions order by version") == [
        (1, 2, "yahoo"),
        (2, 3, "yahoo"),
    ]


def test_an_action_landed_into_the_past_of_a_run_is_refused(landing):
    landing.land(BARS, as_of="2019-01-12")
    with pytest.raises(InputError, match=r"actions\.csv: brings new actions as of 2019-01-10.* later as-of"):
        told(landing, "AAPL, 2019-01-08, split, 2,")
    assert landed(landing) == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("AAPL, 2019-01-08, split, 0,", "row 1: column 'value' is '0.0'; expected new shares"),
        ("AAPL, 2019-01-08, split, -2,", "row 1: column 'value'"),
        ("AAPL, 2019-01-08, dividend, -1,", "row 1: column 'value' is '-1.0'; expected money"),
        ("AAPL, 2019-01-08, dividend, nan,", "row 1: column 'value' is 'nan'; expected a finite"),
        ("AAPL, 2019-01-08, merger, 1,", "row 1: column 'kind' is 'merger'; expected split or dividend"),
        (
            "AAPL, 2019-01-08 10:00, split, 2,",
            "row 1: column 'ex_date' is '2019-01-08 10:00'; expected a day",
        ),
        ("AAPL, , split, 2,", "row 1: column 'ex_date' is empty"),
        ("AAPL, 2019-01-08, split, ,", "row 1: column 'value' is empty"),
        ("AAPL, 2019-01-08, split, two,", "row 1: column 'value' is 'two'"),
        ("NOBODY, 2019-01-08, split, 2,", "row 1: column 'symbol' is 'NOBODY'; expected an asset"),
        ("AAPL, 2099-01-08, split, 2,", "row 1: column 'ex_date' is '2099-01-08'; expected a day of the"),
        (
            "AAPL, 2019-01-08, split, 2,\nAAPL, 2019-01-08, split, 3,",
            "row 2: column 'value' is '3.0', but an earlier row of the same action says '2.0'",
        ),
    ],
)
def test_a_bad_row_is_refused_with_its_file_row_and_column(landing, rows: str, said: str):
    with pytest.raises(InputError, match=r"^actions\.csv: ") as error:
        told(landing, rows)
    assert said in str(error.value)
    assert landing.rows("select count(*) from raw.actions") == [(0,)]


# An asset that ended, and another one under its ticker.


def test_a_bar_after_the_end_of_an_asset_is_refused_by_name_for_it_is_another_asset(landing):
    assets = "symbol, asset_class, member_until\nAAPL, equity, 2019-01-04\nAAPL.2, equity,"
    text = "symbol, date, close\nAAPL, 2019-01-03, 100\nAAPL, 2019-01-04, 7\nAAPL.2, 2019-01-04, 7"
    report = landing.land(text, asset_file=landing.deliver_assets(assets))
    assert report.reasons == {"after_the_end": 1}
    assert landing.rows("select symbol, session_date::varchar, close from raw.bars order by symbol") == [
        ("AAPL", "2019-01-03", 100),
        ("AAPL.2", "2019-01-04", 7),
    ]
    assert landing.rows("select detail from raw.quarantined_bars") == [
        (
            "AAPL ended before 2019-01-04, and this bar is of 2019-01-04;"
            " expected another symbol for another asset",
        )
    ]


def test_a_bar_of_before_the_end_still_lands_when_it_comes_late(landing):
    assets = "symbol, asset_class, member_until\nAAPL, equity, 2019-01-04"
    landing.land(
        "symbol, date, close\nAAPL, 2019-01-02, 100",
        asset_file=landing.deliver_assets(assets),
        as_of="2019-01-04",
    )
    assert landing.land("symbol, date, close\nAAPL, 2019-01-03, 100", as_of="2019-01-09").rows_landed == 1
