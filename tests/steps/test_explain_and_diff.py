"""A weight is explained down to the bytes that were landed; two decisions differ by what is said."""

import datetime as dt
import hashlib
import json
import math
import re
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from flows import diff as differences
from flows import explain as explanations
from flows.cli import app
from flows.outputs import NothingPublished
from flows.publish import PUBLISHED
from flows.requests import RequestError
from python_steps import warehouse
from tests.worlds import small

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
BEFORE = dt.datetime(2017, 6, 14, 14)  # the decision before AAA was restated that afternoon
AFTER = dt.datetime(2017, 6, 15, 14)
LAST = dt.datetime(2017, 11, 30, 14)


@pytest.fixture(scope="module")
def file(small_world: small.World) -> Path:
    return small_world.grown.file


@pytest.fixture(scope="module")
def held(file: Path) -> list[str]:
    con = warehouse.connect(file, read_only=True)
    rows = con.execute(
        "select symbol from main.target_exposures"
        " where decision_at = $1 and weight > 0 and symbol <> 'CASH' order by symbol",
        [LAST],
    ).fetchall()
    con.close()
    return [symbol for (symbol,) in rows]


def of(file: Path, symbol: str, at: dt.datetime | None = None) -> explanations.Explanation:
    return explanations.explain(file.parent, symbol, small.PORTFOLIO, at)


def between(file: Path, first: str, second: str) -> differences.Difference:
    return differences.diff(file.parent, first, second, small.PORTFOLIO)


def printed(what) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(what)
    return console.export_text()


def test_the_steps_add_up_to_the_weight_and_so_do_the_strategies(file, held):
    assert len(held) >= 2
    for symbol in held:
        found = of(file, symbol)
        assert found.decision_at == LAST
        assert math.fsum(found.steps.weight_change) == pytest.approx(found.facts["weight"], abs=1e-12)
        believed = found.facts["ensemble_view"] or 0
        if believed > 0:
            assert math.fsum(found.behind.contribution) == pytest.approx(found.facts["weight"], abs=1e-12)


def test_sql_over_the_lineage_says_the_same(file, held):
    query = next(text for text in re.findall(r"```sql\n(.*?)```", README, re.S) if "payload_hash" in text)
    con = warehouse.connect(file, read_only=True)
    for symbol in held:
        asked = query.replace("'global'", f"'{small.PORTFOLIO}'").replace("'KO'", f"'{symbol}'")
        rows = con.execute(asked).df()
        found = of(file, symbol)
        assert list(rows.strategy) == list(found.behind.strategy)
        assert list(rows.contribution) == [round(value, 4) for value in found.behind.contribution]
        assert set(rows.payload_hash) == {found.bars.payload_hash.iloc[0]}
        assert set(rows.session_date.astype(str)) == {str(found.bars.session_date.iloc[0])[:10]}
    con.close()


def test_payload_hashes_are_those_of_the_files_that_were_landed(file, small_world, held):
    payloads = of(file, "AAA").payloads
    assert sorted(payloads.source) == ["bars_0.parquet", "bars_1.parquet", "bars_2.parquet"]
    for row in payloads.itertuples():
        content = (small_world.folder / row.source).read_bytes()
        assert row.payload_hash == hashlib.sha256(content).hexdigest()


def test_nothing_that_came_later_explains_a_decision(file):
    restated = dt.date(2017, 2, 14)
    for at, is_known in ((BEFORE, False), (AFTER, True)):
        found = of(file, "AAA", at)
        assert (found.payloads.known_at <= at).all()
        assert (found.bars.known_at <= at).all()
        firsts = {row.source: row.first_session.date() for row in found.payloads.itertuples()}
        assert (firsts.get("bars_1.parquet") == restated) == is_known


def test_what_strategies_read_is_what_they_hold(file):
    """A strategy that trades a signal long only holds its reading, or nothing where that is below zero."""
    seen = 0
    for symbol in ("AAA", "EUR-USD"):
        for row in of(file, symbol).behind.itertuples():
            if row.kind == "signal" and math.isfinite(row.value):
                assert row.position == pytest.approx(max(row.value, 0.0), abs=1e-12)
                seen += 1
            if row.kind == "learner":
                assert len(row.model_id) == 64
    assert seen >= 10


def test_it_is_told_in_words_too(file):
    text = printed(explanations.rendered(of(file, "EUR-USD")))
    assert "EUR-USD weighs" in text
    assert "Limits that bind here: change EUR-USD" in text
    assert "payload hash" in text
    assert "Limits that bind" not in printed(explanations.rendered(of(file, "BBB")))


def test_who_is_not_there_is_refused_with_who_is(file):
    with pytest.raises(
        explanations.NoSuchAsset, match=r"XXX: not in the universe .* expected one of AAA, BBB"
    ):
        of(file, "XXX")
    with pytest.raises(NothingPublished, match="2001-01-01"):
        of(file, "AAA", dt.datetime(2001, 1, 1))
    quoted = CliRunner().invoke(
        app, ["explain", "x' or 1=1 --", "--portfolio", "small", "--warehouse", str(file.parent)]
    )
    assert quoted.exit_code == 1
    assert "not in the universe" in quoted.stderr


def test_a_difference_of_weights_is_the_sum_of_its_steps(file):
    found = between(file, "2017-06-13T14:00", "2017-11-30T14:00")
    assert len(found.weights) >= 5
    for row in found.weights.to_dict("records"):
        steps = math.fsum(row[stage] for stage in differences.STAGES if row[stage] == row[stage])
        assert row["after"] - row["before"] == pytest.approx(steps, abs=1e-12)


def test_bars_restated_in_between_are_named_and_no_others(file):
    found = between(file, "2017-06-13T14:00", "2017-11-30T14:00").restated
    named = [(row.symbol, row.session_date.date(), row.known_at) for row in found.itertuples()]
    assert named == [
        ("AAA", small.RESTATED[1], small.RESTATED[3]),
        ("EUR-USD", small.RATE_RESTATED[1], small.RATE_RESTATED[3]),
    ]
    factors = [row.close / row.close_before for row in found.itertuples()]
    assert factors == pytest.approx([small.RESTATED[2], small.RATE_RESTATED[2]])


def test_runs_name_their_last_decisions(file):
    found = between(file, "small-20171129-220000", "small-20171130-220000")
    assert (found.first["decision_at"], found.second["decision_at"]) == (LAST - dt.timedelta(days=1), LAST)
    assert len(found.inputs) > 0
    assert "Policy, code, study, packages and seed are the same." in printed(differences.rendered(found))


def test_a_decision_does_not_differ_from_itself(file):
    found = between(file, "2017-11-30T14:00", "small-20171130-220000")
    assert (found.weights.before == found.weights.after).all()
    assert len(found.strategies) + len(found.gates) + len(found.inputs) + len(found.seeds) == 0
    assert "0 of " in printed(differences.rendered(found))


def test_another_policy_seed_and_study_are_told(file, tmp_path):
    shutil.copy(file, tmp_path / PUBLISHED)
    con = warehouse.connect(tmp_path / PUBLISHED)
    text = con.execute("select policy_json from raw.policies limit 1").fetchall()[0][0]
    told = json.loads(text)
    told["limits"]["change"] = 0.07
    con.execute(
        "insert into raw.policies select batch_id, portfolio, 'other', $1 from raw.policies limit 1",
        [json.dumps(told)],
    )
    con.execute(
        "update raw.runs set policy_hash = 'other', study_hash = 'other', seed = 2"
        " where run_id = 'small-20171130-220000'"
    )
    con.execute("insert into raw.study values (4, 'costs', 'other', '[]')")
    con.close()
    text = printed(
        differences.rendered(between(tmp_path / PUBLISHED, "small-20171129-220000", "small-20171130-220000"))
    )
    assert "(limits.change: 0.05 to 0.07)" in text
    assert "(seeds costs)" in text
    assert "The seed changed: 20140101 to 2." in text
    assert "The code changed" not in text


def test_what_names_no_decision_is_refused(file):
    with pytest.raises(RequestError, match=r"'nonsense' is no run of raw.runs and no instant"):
        between(file, "nonsense", "2017-11-30T14:00")
    with pytest.raises(NothingPublished, match="2017-11-30T15:00:00Z"):
        between(file, "2017-11-30T14:00", "2017-11-30T15:00")
