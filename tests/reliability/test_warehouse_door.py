"""Everything that passes between Python and DuckDB goes through one door, and only what fits passes."""

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from flows import rebalance
from python_steps import warehouse
from python_steps.errors import InputError
from python_steps.warehouse import SchemaError

AT = pd.to_datetime(["2020-01-01 14:00", "2020-01-02 14:00"])


@pytest.fixture
def con(tmp_path):
    con = warehouse.connect(tmp_path / "small.duckdb")
    for table in ("raw.assets", "steps.regimes"):
        columns = ", ".join(f"{name} {kind}" for name, kind in warehouse.declared_columns()[table].items())
        con.execute(f"create schema {table.split('.')[0]}; create table {table} ({columns})")
    yield con
    con.close()


def regimes(**changes) -> pd.DataFrame:
    columns = {"clock": "global", "detector": "rule", "decision_at": AT, "regime": ["risk_on", "neutral"]}
    columns |= {f"{regime}_probability": [0.25, 1.0] for regime in ("risk_on", "neutral", "risk_off")}
    columns |= {"probability": [0.25, 1.0], "known_at": AT, "run_id": "first"}
    return pd.DataFrame(columns | changes)


def assets(**changes) -> pd.DataFrame:
    columns = {"batch_id": 1, "symbol": "X", "asset_class": "fx", "venue": "V", "currency": "USD"}
    columns |= {"member_from": None, "member_until": None, "known_at": None, "adjustment": "none"}
    return pd.DataFrame([columns | changes])


def test_every_declared_type_is_one_the_door_knows():
    assert all(
        kind.type in warehouse.ARROW_TYPES
        for columns in warehouse.declared_columns().values()
        for kind in columns.values()
    )


def test_what_is_written_is_read_back_to_the_bit(con):
    odd = np.array([0.1 + 0.2, np.nextafter(1.0, 2.0)])
    assert warehouse.write(con, "steps.regimes", regimes(probability=odd)) == 2
    back = warehouse.read(con, "steps.regimes", ["decision_at", "probability"]).sort_values("decision_at")
    assert back.probability.to_numpy().tobytes() == odd.tobytes()
    assert back.decision_at.tolist() == AT.tolist()


def test_columns_are_told_apart_by_name_and_not_by_place(con):
    warehouse.write(con, "steps.regimes", regimes()[regimes().columns[::-1]])
    assert con.execute("select distinct clock, run_id from steps.regimes").fetchall() == [("global", "first")]


def test_a_read_is_what_ibis_makes_of_the_same_rows_nulls_of_every_type_among_them(con):
    values = (
        "true, 1::bigint, 2::integer, 0.5, 'a', timestamp '2020-01-01 14:00', date '2020-01-02', [1.5, null]"
    )
    nulls = ", ".join(["null"] * 8)
    con.execute(f"create table wholes as select * from (values ({values})) as t(b, i, j, d, s, t, f, l)")
    con.execute(
        f"create table holes as from wholes union all by name select * from (values ({nulls})) "
        "as t(b, i, j, d, s, t, f, l)"
    )
    con.execute("create table nothings as select * from holes where b is null")
    for table in ("wholes", "holes", "nothings"):
        expected = warehouse.backend(con).table(table).to_pandas()
        pd.testing.assert_frame_equal(warehouse.read(con, table), expected, check_exact=True)


def test_a_read_can_be_narrowed_to_columns_and_rows(con):
    warehouse.write(con, "steps.regimes", regimes())
    found = warehouse.read(con, "steps.regimes", ["regime"], where=lambda t: t.decision_at <= AT[0])
    assert found.to_dict("list") == {"regime": ["risk_on"]}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            regimes().drop(columns="known_at").assign(timestamp=AT),
            "steps.regimes: missing ['known_at'], unknown ['timestamp']",
        ),
        (regimes(probability=[0.5, None]), "probability: row 1 is null, expected double not null"),
        (regimes(probability=[0.5, np.nan]), "probability: row 1 is null, expected double not null"),
        (regimes(probability=["a", "b"]), "probability: row 0 is 'a' (str), expected double not null"),
        (regimes(probability=[True, False]), "probability: row 0 is True (bool), expected double not null"),
        (
            regimes(probability=[1, 2**53 + 1]),
            "probability: row 1 is 9007199254740993 (int), expected double",
        ),
        (regimes(regime=["risk_on", 2]), "regime: row 1 is 2 (int), expected varchar not null"),
        (regimes(decision_at=AT.tz_localize("UTC")), "decision_at: row 0 is Timestamp"),
        (regimes(decision_at=["2020-01-01", "2020-01-02"]), "decision_at: row 0 is '2020-01-01' (str)"),
        (
            regimes(known_at=AT.astype("datetime64[ns]") + pd.Timedelta(1, "ns")),
            "known_at: row 0 is Timestamp",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_column_and_row_and_nothing_is_written(con, frame, message):
    with pytest.raises(SchemaError) as error:
        warehouse.write(con, "steps.regimes", frame)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert con.execute("select count(*) from steps.regimes").fetchone() == (0,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_id": 1.5}, "batch_id: row 0 is 1.5 (float), expected bigint not null"),
        ({"member_from": pd.Timestamp("2020-01-01 01:00")}, "member_from: row 0 is Timestamp"),
        ({"member_from": "2020-01-01"}, "member_from: row 0 is '2020-01-01' (str), expected date"),
    ],
)
def test_numbers_and_dates_change_type_only_without_loss(con, changes, message):
    with pytest.raises(SchemaError) as error:
        warehouse.write(con, "raw.assets", assets(**changes))
    assert message in str(error.value)


def test_whole_floats_midnights_and_nulls_find_their_place(con):
    for day in (dt.date(2020, 1, 1), pd.Timestamp("2020-01-01"), None):
        warehouse.write(con, "raw.assets", assets(batch_id=1.0, member_from=day))
    found = con.execute("select batch_id, member_from, known_at from raw.assets").fetchall()
    assert found == [(1, dt.date(2020, 1, 1), None)] * 2 + [(1, None, None)]


def test_a_table_nobody_declared_is_refused(con):
    with pytest.raises(SchemaError, match=r"steps\.nonsense: not in sources\.yml"):
        warehouse.write(con, "steps.nonsense", regimes())


def test_the_digest_leaves_out_the_order_of_rows_and_nothing_else(con):
    warehouse.write(con, "steps.regimes", regimes())
    digest = warehouse.rows_digest(con, "from steps.regimes")
    con.execute("create table turned as from steps.regimes order by decision_at desc")
    assert warehouse.rows_digest(con, "from turned") == digest
    for change in (
        f"update turned set probability = {float(np.nextafter(1.0, 2.0))!r} where probability = 1",
        "update turned set regime = null where regime = 'neutral'",
        "update turned set regime = 'null' where regime is null",
        "insert into turned from turned limit 1",
        "alter table turned rename run_id to run",
        "alter table turned alter clock type blob",
    ):
        before = warehouse.rows_digest(con, "from turned")
        con.execute(change)
        assert warehouse.rows_digest(con, "from turned") != before, change


def test_the_digest_tells_values_apart_that_only_meet_when_they_are_joined(con):
    for one, other in (
        ("select 'ab' as x, 'c' as y", "select 'a' as x, 'bc' as y"),
        ("select '1:a' as x, 'b' as y", "select '1' as x, 'a1:b' as y"),
        ("select null::varchar as x", "select '-' as x"),
        ("select 0.0::double as x", "select -0.0::double as x"),
    ):
        assert warehouse.rows_digest(con, one) != warehouse.rows_digest(con, other), one


def test_every_connection_has_the_settings_of_the_profile_of_dbt(con):
    profile = (warehouse.SOURCES.parents[2] / "profiles.yml").read_text()
    settings = "select current_setting('TimeZone'), current_setting('threads')"
    assert con.execute(settings).fetchone() == ("UTC", warehouse.THREADS)
    for one in (con, warehouse.cursor(con)):  # a bar would stand between the lines of `--json`
        assert one.execute("select current_setting('enable_progress_bar')").fetchone() == (False,)
    assert "enable_progress_bar: false" in profile
    assert f"threads: {warehouse.THREADS}, autoinstall_known_extensions: false, " in profile
    assert f"storage_compatibility_version: {warehouse.STORAGE}}}" in profile
    assert "TimeZone: UTC" in profile


def test_a_read_only_connection_cannot_write(tmp_path):
    warehouse.connect(tmp_path / "x.duckdb").close()
    con = warehouse.connect(tmp_path / "x.duckdb", read_only=True)
    with pytest.raises(duckdb.Error, match="read-only"):
        con.execute("create table t (a int)")
    con.close()


@pytest.fixture
def of_another_version(tmp_path) -> Path:
    """A warehouse in which regimes have one column less and one more, and one configuration was tried."""
    file = tmp_path / "older.duckdb"
    con = warehouse.connect(file)
    warehouse.create_tables(con)
    con.execute("alter table steps.regimes drop column risk_off_probability")
    con.execute("alter table steps.regimes add column mood varchar")
    columns = warehouse.declared_columns()["steps.trials"]
    values = {"varchar": "'one'", "timestamp": "now()::timestamp", "date": "current_date", "boolean": "true"}
    row = ", ".join(values.get(column.type, "1") for column in columns.values())
    con.execute(f"insert into steps.trials values ({row})")
    con.close()
    return file


def test_what_another_version_estimated_is_refused_by_name(of_another_version):
    expected = "steps.regimes has no risk_off_probability and unknown mood; `portfolio backfill`"
    with pytest.raises(InputError, match=expected):
        rebalance._fit(of_another_version, is_rebuild=False)
    con = warehouse.connect(of_another_version)
    assert set(warehouse.misfits(con)) == {"steps.regimes"}


def test_a_rebuild_makes_what_another_version_estimated_again_and_keeps_the_trials(of_another_version):
    assert rebalance._fit(of_another_version, is_rebuild=True) == [
        "steps.regimes has no risk_off_probability and unknown mood"
    ]
    con = warehouse.connect(of_another_version)
    assert not warehouse.misfits(con)
    assert con.execute("select count(*) from steps.trials").fetchall() == [(1,)]


def test_what_was_told_is_never_made_again(of_another_version):
    con = warehouse.connect(of_another_version)
    con.execute("alter table raw.bars drop column vendor")
    con.close()
    with pytest.raises(InputError, match=r"raw\.bars has no vendor; land into a new --warehouse"):
        rebalance._fit(of_another_version, is_rebuild=True)


def test_a_warehouse_of_this_version_fits(tmp_path):
    assert rebalance._fit(tmp_path / "new.duckdb", is_rebuild=False) == []
