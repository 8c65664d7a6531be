"""The live page shows what is published, to whom has the token, and follows the next publish."""

import re
import shutil
import socket
import stat
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows import live
from flows.app import AppError, serving
from flows.outputs import NothingPublished
from flows.publish import PUBLISHED
from python_steps import warehouse
from tests.pages.browser import NEEDED, chromium, look
from tests.steps.small_warehouse import publish_small_warehouse

DECISION = "2026-01-28T14:00:00Z"
VENDORS = """
    insert into raw.asset_vendors by name
    select distinct symbol, vendor, 1 as batch_id from raw.bars anti join raw.asset_vendors using (symbol)
"""
TWICE_AS_DEAR = """
    insert into raw.bars by name
    select * replace (
        session_date + 30 as session_date, 2 * close as close, timestamp '2026-01-29 21:00' as closed_at,
        timestamp '2026-01-29 21:00' as known_at
    )
    from raw.bars where symbol = 'AAPL' order by session_date desc, version desc limit 1
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small warehouse with the tables that only an explanation reads."""
    publish_small_warehouse(tmp_path)
    con = warehouse.connect(tmp_path / PUBLISHED)
    con.execute("alter table main.strategies add learner varchar")
    con.execute("create table main.readings (clock varchar, signal varchar, symbol varchar,"
                " decision_at timestamp, value double, signal_known_at timestamp)")  # fmt: skip
    con.execute("alter table main.walk_forward_windows add test_from timestamp")
    con.execute("alter table main.walk_forward_windows add used_until timestamp")
    for table in ("forecasts", "fitted_models", "constraint_prices"):
        con.execute(f"create table main.{table} as from steps.{table}")
    con.execute("create table main.bars as from raw.bars")
    con.execute("create table if not exists main.clock_instants (clock varchar, decision_at timestamp)")
    con.execute("insert into main.clock_instants (clock, decision_at) values ('global', '2026-01-29 14:00')")
    con.execute(VENDORS)
    con.close()
    return tmp_path


@contextmanager
def app(folder: Path):
    pytest.importorskip("marimo")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with serving(folder, port) as (_, address):
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health").close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.25)
        yield port, address


def test_what_the_page_is_made_of_is_what_is_published(folder):
    assert live.portfolios(folder) == ["global"]
    assert live.decisions(folder, "global")[0] == DECISION
    assert live.symbols(folder, "global", DECISION) == ["AAPL", "BTC-USD", "EUR-USD", "ETH-USD"]
    assert "hold 45.0 % in 3 assets" in live.page(folder, "global", DECISION)
    said, tables = live.explained(folder, "AAPL", "global", DECISION)
    assert said[0].startswith("AAPL weighs 20.00 % in global")
    assert list(tables["Strategies with weight on it"].contribution) == [0.15, 0.05]


def test_where_it_stands_now_moves_with_the_bars_that_land(folder):
    said, before = live.standing(folder, "global")
    assert "moved by +0.00 %" in said
    assert "Decisions due: 1" in said
    assert before["target"].equals(before["now"])
    con = warehouse.connect(folder / PUBLISHED)
    con.execute(TWICE_AS_DEAR)
    con.close()
    said, after = live.standing(folder, "global")
    assert "moved by +20.00 %" in said
    rows = after.set_index("asset")
    assert rows["now"]["AAPL"] == pytest.approx(0.4 / 1.2, abs=1e-6)
    assert rows["last bar"]["AAPL"] == "2026-01-29T21:00:00Z"
    assert live.standing(folder, "another")[0] == "another has decided nothing yet."


def test_sql_of_a_visitor_reads_the_warehouse_and_nothing_else(folder):
    told = live.asked(folder, "select weight from target_exposures where symbol = 'AAPL'")
    assert set(told.weight) == {0.2}
    assert len(live.asked(folder, "from range(10000)")) == live.ROWS
    for query in (
        "from read_csv('/etc/passwd')",
        "copy (select 1) to 'out.csv'",
        "attach 'other.duckdb'",
        "set enable_external_access = true",
        "delete from main.target_exposures",
    ):
        assert isinstance(live.asked(folder, query), str), query


def test_visitors_take_turns(folder):
    """A locked-down session of one and the page of another, at the same time."""
    failed = []

    def visit(call) -> None:
        try:
            for _ in range(8):
                call()
        except Exception as error:
            failed.append(error)

    calls = [lambda: live.asked(folder, "select 1"), lambda: live.symbols(folder, "global", DECISION)]
    threads = [threading.Thread(target=visit, args=[call]) for call in calls * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_another_publish_is_another_version(folder):
    before = live.version(folder)
    assert live.version(folder) == before
    shutil.copy(folder / PUBLISHED, folder / "next")
    (folder / "next").replace(folder / PUBLISHED)
    assert live.version(folder) != before


def test_it_says_what_is_missing(folder, tmp_path, monkeypatch):
    with pytest.raises(NothingPublished), serving(tmp_path / "empty", 1):
        pass
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(AppError, match=r"needs marimo; expected `pip install"), serving(folder, 1):
        pass


@NEEDED
def test_it_is_shown_to_whom_has_the_token_and_follows_a_publish(folder):
    with app(folder) as (port, address), chromium() as browser:
        token = folder / "app" / "token"
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            assert "/auth/login" in answer.geturl(), "without the token there is nothing to see"
        with look(browser, address) as seen:
            page = seen.page
            page.get_by_role("tab", name="Report").wait_for(timeout=120_000)
            page.get_by_role("tabpanel").frame_locator("iframe").get_by_text(
                "hold 45.0 % in 3 assets"
            ).wait_for(timeout=30_000)
            page.get_by_role("tab", name="Asset").click()
            page.get_by_role("tabpanel").get_by_text("AAPL weighs 20.00 %").wait_for(timeout=30_000)
            page.get_by_role("tab", name="Now").click()
            page.get_by_role("tabpanel").get_by_text("Since its decision of").wait_for(timeout=30_000)
            page.get_by_role("tab", name="SQL").click()
            page.get_by_role("tabpanel").get_by_role("button", name="Run").wait_for(timeout=30_000)
            _publish_again(folder)
            page.get_by_role("tab", name="Report").click()
            page.locator("marimo-refresh button").first.click()
            page.get_by_role("tabpanel").frame_locator("iframe").get_by_text(
                "hold 35.0 % in 3 assets"
            ).wait_for(timeout=60_000)
            assert [url for url in seen.asked if not _is_own(url, port)] == []
            assert [text for text in seen.errors if "preload" not in text] == []


def _publish_again(folder: Path) -> None:
    """Another file in its place, with less in stocks."""
    shutil.copy(folder / PUBLISHED, folder / "next.duckdb")
    con = warehouse.connect(folder / "next.duckdb")
    con.execute("update main.target_exposures set weight = 0.1 where symbol = 'AAPL'")
    con.execute("update main.target_exposures set weight = 0.65 where symbol = 'CASH'")
    con.close()
    (folder / "next.duckdb").replace(folder / PUBLISHED)


def _is_own(url: str, port: int) -> bool:
    return re.match(rf"(http|ws)://(127\.0\.0\.1|localhost):{port}/|data:|blob:|about:", url) is not None
