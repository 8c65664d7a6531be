"""The page of a run: one file that asks for nothing, says what the rows say, and can be read by anybody."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from flows import outputs
from flows.page import PAGE, TEMPLATE
from flows.report import write_page
from python_steps import warehouse
from tests.pages.browser import NEEDED, WIDTHS, chromium, look
from tests.steps.small_warehouse import publish_small_warehouse

MOST_BYTES = 1_500_000
SECTIONS = (
    *("exposures", "why", "past", "walk-forward", "luck", "regimes", "risk", "costs", "data", "stops"),
    "basis",
)
# Lowest contrast of any text that is shown, with the text; backgrounds are those of the nearest ancestor.
LOWEST_CONTRAST = """
() => {
    const channels = (text) => text.match(/[0-9.]+/g).map(Number);
    const light = (color) => channels(color).slice(0, 3).map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor, parts = channels(color);
            if (parts.length < 4 || parts[3] > 0) return color;
        }
        return "rgb(255, 255, 255)";
    };
    let lowest = [99, "nothing"], seen = 0;
    for (const element of document.querySelectorAll("body *")) {
        const texts = [...element.childNodes].filter((node) => node.nodeType === 3);
        const own = texts.map((node) => node.data.trim()).join("");
        if (!own || element.closest("svg") || !element.getClientRects().length) continue;
        const one = light(getComputedStyle(element).color), two = light(behind(element));
        const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
        seen += 1;
        if (ratio < lowest[0]) lowest = [ratio, own];
    }
    return [...lowest, seen];
}
"""
# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
BLINDNESS = {
    "protan": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881],
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("warehouse")
    publish_small_warehouse(folder)
    write_page(folder, "global", None, folder)
    return folder


@pytest.fixture(scope="module")
def evidence(folder) -> outputs.Evidence:
    return _evidence(folder)


@pytest.fixture(scope="module")
def text(folder) -> str:
    return (folder / PAGE).read_text("utf-8")


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


def _evidence(folder: Path) -> outputs.Evidence:
    con = outputs.open_published(folder)
    try:
        return outputs.gather(con, "global")
    finally:
        con.close()


def _page_of(evidence: outputs.Evidence) -> str:
    return outputs.render(evidence)[PAGE].decode()


class _Outline(HTMLParser):
    """Tags that are open, names of sections, and what stands directly in tables and drawings."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sections: list[str] = []
        self.tables: list[list[str]] = []
        self.drawings: list[dict[str, str | None]] = []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        if tag == "section" and "id" in named:
            self.sections.append(named["id"])
        if tag == "table":
            self.tables.append([])
        elif self.open and self.open[-1] == "table":
            self.tables[-1].append(tag)
        if tag == "svg" and "legend" not in self.open and "ul" not in self.open:
            self.drawings.append(named)
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("path", "title"):
            assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()


def test_it_is_one_small_file_without_scripts_and_addresses(text):
    assert len(text.encode()) < MOST_BYTES
    assert "<script" not in text
    assert not re.findall(r"https?://|src=|@import|url\(", text)
    assert "content=\"default-src 'none'" in text


def test_it_stands_beside_the_other_files_and_each_names_the_other(folder, tmp_path):
    files = outputs.write(_evidence(folder), tmp_path)
    text = (tmp_path / PAGE).read_text("utf-8")
    assert PAGE in [file.name for file in files]
    assert "page: report.html" in (tmp_path / "validation_report.yaml").read_text("utf-8")
    assert all(f'<a href="{file.name}">' in text for file in files if file.name != PAGE)


def test_the_same_rows_give_the_same_bytes(folder, tmp_path):
    again = publish_small_warehouse(tmp_path / "again").parent
    first = outputs.render(_evidence(folder))[PAGE]
    assert outputs.render(_evidence(again))[PAGE] == first
    con = warehouse.connect(again / "published.duckdb")
    con.execute("update steps.target_exposures set weight = 0.21 where symbol = 'AAPL'")
    con.execute("update main.target_exposures set weight = 0.21 where symbol = 'AAPL'")
    con.close()
    assert outputs.render(_evidence(again))[PAGE] != first


def test_it_is_well_formed_and_has_every_section(text):
    outline = _Outline()
    outline.feed(text)
    assert outline.open == []
    assert tuple(outline.sections) == SECTIONS


def test_tables_have_captions_and_drawings_have_words(text):
    outline = _Outline()
    outline.feed(text)
    assert len(outline.tables) >= 15
    assert all(tags[0] == "caption" for tags in outline.tables)
    assert len(outline.drawings) >= 3
    assert all(len(drawing.get("aria-label") or "") > 30 for drawing in outline.drawings)
    assert all(drawing["role"] == "img" for drawing in outline.drawings)


def test_warnings_come_first_and_a_stop_before_them(tmp_path):
    publish_small_warehouse(tmp_path, is_stopped=True)
    text = _page_of(_evidence(tmp_path))
    kinds = re.findall(r'<li class="(stop|warning|note)">', text)
    assert kinds == sorted(kinds, key=["stop", "warning", "note"].index)
    assert kinds[0] == "stop"
    assert "Drawdown: it is −0.20, the limit is −0.20. Action: cash." in text
    assert text.index('class="stop"') < text.index("<dl") < text.index("<table")


def test_an_asset_left_out_is_a_warning(text):
    assert "ETH-USD was left out of this decision for its data: 2 hours late." in text


def test_numbers_are_those_of_the_report(text, evidence):
    assert "From 29 January 2026 hold 45.0 % in 3 assets, the rest in cash" in text
    row = re.search(r"AAPL</td>(.*?)</tr>", text, re.S).group(1)
    assert re.findall(r">([^<>\n]+)</td>", row)[:4] == ["equity", "20.00 %", "0.00 %", "+20.00"]
    assert "fast 15.00 %, ridge 5.00 %" in text  # three quarters and one of 20 %
    assert re.search(r"After the policy&#39;s limits</td>\s*<td[^>]*>60.0 %", text)


def test_what_is_told_is_never_markup(evidence):
    told = evidence.page.gates.assign(strategy="<script>alert(1)</script>", reason="a & b <img src=x>")
    text = _page_of(replace(evidence, page=replace(evidence.page, gates=told)))
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert "<img" not in text


def test_nothing_held_has_a_page_too(evidence):
    none = evidence.exposures.assign(weight=(evidence.exposures.symbol == "CASH").astype(float))
    bare = replace(evidence, exposures=none, benchmarks=evidence.benchmarks.iloc[:0])
    assert "hold everything in cash" in _page_of(bare)


def test_what_is_held_stands_beside_the_target_with_the_trades(folder, tmp_path):
    (tmp_path / "held.csv").write_text("symbol,weight\nAAPL,0.25\nETH-USD,0.1\n")
    text = write_page(folder, "global", None, tmp_path, tmp_path / "held.csv").read_text("utf-8")
    table = text[text.index('id="held"') : text.index('id="why"')]
    rows = [re.findall(r">([^<>\n]*)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:]]
    assert rows == [
        ["AAPL", "25.00 %", "20.00 %", "−5.00", "sell 5.00 %"],
        ["BTC-USD", "0.00 %", "15.00 %", "+15.00", "buy 15.00 %"],
        ["ETH-USD", "10.00 %", "0.00 %", "−10.00", "sell 10.00 %"],
        ["EUR-USD", "0.00 %", "10.00 %", "+10.00", "buy 10.00 %"],
        ["CASH", "65.00 %", "55.00 %", "−10.00", "–"],
    ]
    assert "40.0 % of the value is to be bought or sold" in table


def test_what_a_decision_was_told_is_held_stands_on_its_page(evidence):
    told = {"AAPL": 0.5, "CASH": 0.5}
    pages = [_page_of(replace(evidence, page=replace(evidence.page, held=held))) for held in ({}, told)]
    assert ['id="held"' in page for page in pages] == [False, True]


@NEEDED
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_chromium_asks_for_nothing_else_and_has_nothing_to_complain_of(folder, browser, width, scheme):
    address = (folder / PAGE).as_uri()
    with look(browser, address, width=width, scheme=scheme) as seen:
        assert seen.asked == [address]
        assert seen.errors == []
        across = seen.page.evaluate("document.documentElement.scrollWidth")
        assert across <= WIDTHS[width][0], "the page is wider than the screen"
        ratio, words, texts = seen.page.evaluate(LOWEST_CONTRAST)
        assert texts > 200
        assert ratio >= 4.5, words


@NEEDED
def test_what_it_would_ask_for_or_complain_of_is_seen(folder, browser, text, tmp_path):
    asking = tmp_path / "asking.html"
    asking.write_text("<img src='http://127.0.0.1:9/x.png'><script>console.error('no')</script>")
    with look(browser, asking.as_uri()) as seen:
        assert "http://127.0.0.1:9/x.png" in seen.asked
        assert "no" in seen.errors
        assert seen.page.evaluate(LOWEST_CONTRAST)[1] == "nothing"
    pale = tmp_path / "pale.html"
    pale.write_text(text.replace("--soft: #57606a", "--soft: #b0b6bd"))
    with look(browser, pale.as_uri()) as seen:
        assert seen.page.evaluate(LOWEST_CONTRAST)[0] < 4.5


@NEEDED
def test_it_prints_dark_on_white_and_whole(folder, browser):
    with look(browser, (folder / PAGE).as_uri(), scheme="dark") as seen:
        seen.page.emulate_media(media="print")
        style = "getComputedStyle(document.body).backgroundColor"
        assert seen.page.evaluate(style) == "rgb(255, 255, 255)"
        assert seen.page.evaluate(LOWEST_CONTRAST)[0] >= 4.5
        assert seen.page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n") >= 4
        whole = "[...document.querySelectorAll('.scroll')].map((e) => getComputedStyle(e).overflowX)"
        assert set(seen.page.evaluate(whole)) == {"visible"}
        shown = "[...document.querySelectorAll('details table')].map((e) => e.checkVisibility())"
        assert set(seen.page.evaluate(shown)) == {True}, "what is folded is printed too"


def test_its_colours_differ_for_the_colour_blind_too():
    for scheme in re.findall(r":root \{(.*?)\}", TEMPLATE.read_text("utf-8"), re.S)[:2]:
        colours = dict(re.findall(r"--(one|two|three|four|five): (#[0-9a-f]{6})", scheme))
        assert len(colours) == 5
        for matrix in (np.eye(3), *map(np.array, BLINDNESS.values())):
            seen = {name: _lab(matrix @ _linear(colour)) for name, colour in colours.items()}
            for one, two in combinations(seen, 2):
                assert np.linalg.norm(seen[one] - seen[two]) > 20, (one, two)


def _linear(colour: str) -> np.ndarray:
    part = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ) / np.array([[0.9505], [1.0], [1.089]])
    x, y, z = np.cbrt(np.clip(to_xyz @ linear, 0.0089, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
