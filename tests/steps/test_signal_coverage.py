"""How many bars of a quarter each signal speaks of: counted again, and never of a quarter that still runs."""

import pandas as pd
import pytest

from flows.dbt import PROJECT
from python_steps import warehouse
from tests.worlds.small import World

SIGNALS = {file.stem for file in (PROJECT / "macros" / "signals").glob("*.sql")}
COUNTED = """
    select signal, symbol, year(session_date) || '-Q' || quarter(session_date) as quarter,
        count(*) as counted, min(session_date) as first_session, max(session_date) as last_session
    from main.signals inner join main.first_prints using (symbol, session_date)
    where not is_late group by all
"""


@pytest.fixture(scope="module")
def tables(small_world: World) -> dict[str, pd.DataFrame]:
    queries = {
        "coverage": "from main.signal_coverage",
        "counted": COUNTED,
        "signals": "select distinct signal from main.signals",
        "late": "select count(*) as late from main.first_prints where is_late",
    }
    con = warehouse.connect(small_world.whole, read_only=True)
    try:
        return {name: con.execute(query).df() for name, query in queries.items()}
    finally:
        con.close()


def test_each_signal_is_counted_for_each_asset_in_each_quarter_that_is_over(tables) -> None:
    coverage = tables["coverage"]
    assert set(coverage["signal"]) == SIGNALS
    of_aaa = coverage[coverage["symbol"] == "AAA"]
    quarters = [f"{year}-Q{quarter}" for year in (2016, 2017) for quarter in (1, 2, 3, 4)][:-1]
    assert sorted(of_aaa["quarter"].unique()) == quarters
    assert (of_aaa.groupby("signal")["quarter"].count() == len(quarters)).all()


def test_what_is_counted_are_the_values_that_stand_in_signals(tables) -> None:
    """All of them but those of late bars, which may become known when the quarter is over."""
    keys = ["signal", "symbol", "quarter"]
    merged = tables["coverage"].merge(tables["counted"], how="left", on=keys, suffixes=("", "_counted"))
    missing = merged["bars_with_value"] - merged["counted"].fillna(0)
    assert missing.between(0, tables["late"]["late"].iloc[0]).all()
    assert (missing == 0).mean() > 0.95
    plain = merged[merged["symbol"] == "USD-JPY"]
    has_value = plain["bars_with_value"] > 0
    assert (plain.loc[has_value, "first_session"] == plain.loc[has_value, "first_session_counted"]).all()
    assert (plain.loc[has_value, "last_session"] == plain.loc[has_value, "last_session_counted"]).all()
    assert plain.loc[~has_value, "first_session"].isna().all()
    assert (merged["coverage"] == merged["bars_with_value"] / merged["bars"]).all()


def test_a_feed_without_volumes_has_no_volume_signals_and_the_table_says_so(tables) -> None:
    coverage = tables["coverage"].set_index("symbol")
    of_volume = coverage[coverage["signal"] == "on_balance_volume_3m"]
    assert (of_volume.loc["EUR-NOK", "bars_with_value"] == 0).all()
    assert set(of_volume.loc["EUR-NOK", "feed_lacks"]) == {"opens, highs and lows, volumes"}
    assert set(of_volume.loc["BBB", "feed_lacks"]) == {"opens, highs and lows, volumes, closes as paid"}
    assert of_volume.loc["AAA"].set_index("quarter").loc["2017-Q3", "coverage"] > 0.9
    assert of_volume.loc["AAA", "feed_lacks"].isna().all()


def test_a_signal_without_a_value_is_a_row_all_the_same(tables) -> None:
    silent = SIGNALS - set(tables["signals"]["signal"])
    # No class of the small world has three assets with money traded, nor the dollar three pairs.
    assert silent == {"small_size_3m", "currency_strength_3m"}
    rows = tables["coverage"][tables["coverage"]["signal"].isin(silent)]
    assert len(rows) > 0
    assert (rows["coverage"] == 0).all()


def test_a_row_is_known_with_the_first_bar_of_the_next_quarter(tables) -> None:
    of_jpy = (
        tables["coverage"].query("symbol == 'USD-JPY' and signal == 'turn_of_month'").set_index("quarter")
    )
    assert of_jpy.loc["2016-Q1", "known_at"] == pd.Timestamp(2016, 4, 1, 21, 5)
    assert of_jpy["known_at"].is_monotonic_increasing
