"""Currencies in round numbers: what a price, a fill and a pair are worth in US dollars, and by which rate."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from flows import landing
from python_steps import warehouse
from python_steps.errors import InputError
from tests.steps.landing_world import STUDY
from tests.worlds.landed import Landed, land
from tests.worlds.small import World

POLICY = "extends: default\nplan: short\n"
MADE = ("order_returns", "daily_returns", "price_index")
DAYS = [dt.date(2019, 1, day) for day in (2, 3, 4, 7, 8, 9, 10, 11)]
TUESDAY, WEDNESDAY = DAYS[4], DAYS[5]

# Closes until Monday the 7th, on the 8th, and from the 9th on. Bars of New York are known at 21:30, those of
# other pairs at 22:05.
PRICES = {
    "USD-JPY": (100.0, 104.0, 100.0),
    "EUR-GBP": (0.80, 0.82, 0.80),
    "GBP-USD": (1.25, 1.30, 1.30),
    "EUR-NOK": (10.0, 9.6, 9.6),
    "EUR-USD": (1.20, 1.248, 1.248),
    "TOKYO": (100.0, 100.0, 100.0),
    "LONDON": (100.0, 110.0, 110.0),
    "OSLO": (100.0, 100.0, 100.0),
}
FIXED = ("GBP-USD", "EUR-USD")  # pairs of the seeds, known at 15:00
STOCKS = {"TOKYO": "JPY", "LONDON": "GBP", "OSLO": "NOK"}


def bars(symbols: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "symbol": symbol,
                "asset_class": "equity" if symbol in STOCKS else "fx",
                "date": day,
                "volume": 1000.0,
                "close": PRICES[symbol][(day >= TUESDAY) + (day >= WEDNESDAY)],
            }
            for symbol in symbols
            for day in DAYS
        ]
    )


def assets(symbols: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "symbol": symbol,
                "asset_class": "equity" if symbol in STOCKS else "fx",
                "venue": "XNYS" if symbol in STOCKS else "ECB" if symbol in FIXED else "FX",
                "currency": STOCKS.get(symbol, symbol.split("-")[-1]),
            }
            for symbol in symbols
        ]
    )


@pytest.fixture(scope="module")
def world(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> Landed:
    symbols = list(PRICES)
    told = land(tmp_path_factory.mktemp("currencies"), bars(symbols), POLICY, assets(symbols))
    small_world.dbt.on(told.file).run(select=[f"+{name}" for name in MADE])
    return told


def returned(world: Landed, symbol: str, day: dt.date) -> float:
    query = "select total_return from main.daily_returns where symbol = '{}' and session_date = '{}'"
    (found,) = world.query(query.format(symbol, day))["total_return"]
    return float(found)


def rate(world: Landed, currency: str, day: dt.date) -> float:
    query = f"select rate from main.fx_rates where currency = '{currency}' and session_date = '{day}'"
    (found,) = world.query(query)["rate"]
    return float(found)


def test_an_inverse_pair_gains_one_less_the_old_price_over_the_new(world: Landed):
    assert returned(world, "USD-JPY", TUESDAY) == pytest.approx(1 - 100 / 104)
    assert returned(world, "USD-JPY", WEDNESDAY) == pytest.approx(1 - 104 / 100)


def test_a_direct_pair_gains_the_new_price_over_the_old_less_one(world: Landed):
    assert returned(world, "GBP-USD", TUESDAY) == pytest.approx(1.30 / 1.25 - 1)


def test_a_pair_of_two_others_gains_in_its_quote_currency_what_that_is_worth_then(world: Landed):
    assert returned(world, "EUR-GBP", TUESDAY) == pytest.approx(0.025 * 1.30 / 1.25)
    assert returned(world, "EUR-GBP", WEDNESDAY) == pytest.approx(0.80 / 0.82 - 1)  # GBP stood still
    by_a_cross = (9.6 / 10 - 1) * (1.248 / 9.6) / (1.20 / 10)
    assert returned(world, "EUR-NOK", TUESDAY) == pytest.approx(by_a_cross)


def test_a_pair_from_fill_to_fill_is_worth_what_its_two_prices_say(world: Landed):
    query = """
        select unit_return, fill_price, exit_price from main.order_returns
        where symbol = '{}' and decision_at = '2019-01-04 14:00'
    """
    (row,) = world.query(query.format("USD-JPY")).to_dict("records")
    assert (row["fill_price"], row["exit_price"]) == (100, 104)
    assert row["unit_return"] == pytest.approx(1 - 100 / 104)
    (row,) = world.query(query.format("EUR-GBP")).to_dict("records")
    assert row["unit_return"] == pytest.approx(0.025 * 1.30 / 1.25)


def test_the_index_of_a_pair_is_chained_from_what_each_session_gained(world: Landed):
    query = "select index_level from main.price_index where symbol = 'USD-JPY' order by session_date"
    levels = world.query(query)["index_level"].tolist()
    assert levels[3:6] == pytest.approx([1, 2 - 100 / 104, (2 - 100 / 104) * (2 - 104 / 100)])


def test_a_rate_is_that_of_a_pair_its_inverse_or_a_cross(world: Landed):
    assert rate(world, "GBP", TUESDAY) == 1.30
    assert rate(world, "JPY", TUESDAY) == 1 / 104
    assert rate(world, "NOK", TUESDAY) == pytest.approx(1.248 / 9.6)
    currencies = world.query("select distinct currency from main.fx_rates")["currency"]
    assert sorted(currencies) == ["EUR", "GBP", "JPY", "NOK"]


def test_a_price_is_worth_what_was_known_of_its_currency_when_it_was_printed(world: Landed):
    """The yen's rate of Tuesday is known after New York's bar, so Wednesday's has it; the pound's before."""
    assert returned(world, "TOKYO", TUESDAY) == 0
    assert returned(world, "TOKYO", WEDNESDAY) == pytest.approx(100 / 104 - 1)
    assert returned(world, "LONDON", TUESDAY) == pytest.approx(1.1 * 1.04 - 1)
    assert returned(world, "LONDON", WEDNESDAY) == 0
    assert returned(world, "OSLO", TUESDAY) == 0
    assert returned(world, "OSLO", WEDNESDAY) == pytest.approx((1.248 / 9.6) / (1.20 / 10) - 1)


def test_a_straight_pair_goes_before_its_inverse_and_both_before_a_cross(
    small_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """EUR through GBP says 1.025, the pair 1.20; NOK's own inverse pair takes over once it is known."""
    monkeypatch.setitem(PRICES, "USD-NOK", (8.0, 8.0, 8.0))
    symbols = ["EUR-GBP", "GBP-USD", "EUR-USD", "EUR-NOK", "USD-NOK", "OSLO"]
    told = bars(symbols)
    later = (told["symbol"] == "USD-NOK") & (told["date"] < TUESDAY)
    made = land(tmp_path, told[~later], POLICY, assets(symbols))
    small_world.dbt.on(made.file).run(select=["+fx_rates"])
    assert rate(made, "EUR", DAYS[0]) == 1.20
    assert rate(made, "NOK", DAYS[3]) == pytest.approx(0.12)
    assert rate(made, "NOK", TUESDAY) == 1 / 8
    counts = made.query("select currency, count(*) as rates from main.fx_rates group by 1 order by 1")
    assert counts["rates"].tolist() == [len(DAYS)] * 3  # EUR, GBP, NOK: one source at a time


@pytest.mark.parametrize("pair", ["NOK-USD", "USD-NOK", "EUR-NOK", "NOK-EUR"])
def test_a_quote_currency_may_be_a_pair_or_a_cross_away(tmp_path: Path, pair: str):
    con = _registered(tmp_path, pair)
    landing._check_currencies(con, "USD", STUDY)


@pytest.mark.parametrize("pair", ["SEK-USD", "EURNOK"])
def test_a_quote_currency_without_a_way_to_the_base_is_an_error_that_says_what_would_do(
    tmp_path: Path, pair: str
):
    con = _registered(tmp_path, pair)
    with pytest.raises(InputError) as error:
        landing._check_currencies(con, "USD", STUDY)
    assert str(error.value) == (
        "OSLO: quoted in NOK; expected bars of NOK-USD or USD-NOK, or of a pair of NOK with a currency that"
        " has one with USD"
    )


def _registered(folder: Path, pair: str):
    """A warehouse in which a stock in NOK, EUR-USD and one more pair have a bar."""
    con = warehouse.connect(folder / "landed.duckdb")
    warehouse.create_tables(con)
    for symbol, asset_class, currency in (
        ("OSLO", "equity", "NOK"),
        ("EUR-USD", "fx", "USD"),
        (pair, "fx", "USD" if pair in ("SEK-USD", "EURNOK") else pair[-3:]),
    ):
        con.execute(
            "insert into raw.assets by name select 1 as batch_id, $1 as symbol, $2 as asset_class,"
            " 'FX' as venue, $3 as currency, 'none' as adjustment",
            [symbol, asset_class, currency],
        )
        con.execute(
            "insert into raw.bars by name select 1 as batch_id, 1 as payload_number, 1 as row_number,"
            " $1 as symbol, date '2019-01-02' as session_date, 1 as version, now()::timestamp as opened_at,"
            " now()::timestamp as closed_at, now()::timestamp as available_at,"
            " now()::timestamp as recorded_at, now()::timestamp as known_at, 1.0 as close, 'file' as vendor",
            [symbol],
        )
    return con
