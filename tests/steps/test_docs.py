"""The pages on signals and learners say what the files and the published rows say."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from flows import docs
from flows.dbt import PROJECT
from flows.signal_headers import HeaderError, read_header
from python_steps import warehouse
from tests.worlds.small import World

SIGNALS = sorted(file.stem for file in (PROJECT / "macros" / "signals").glob("*.sql"))
HEADER = """{# What it is: a reason.
   Formula: tanh(r_month /
     (σ · √n))
   Source: Somebody 1990
   Horizon: 1 month
   Knows: closes of one month #}
{% macro signal__mine() %} select 1 {% endmacro %}
"""


class Page(HTMLParser):
    """Cells of the only table, by row, and the words above it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
        elif tag == "p":
            self.words.append("")

    def handle_endtag(self, tag: str) -> None:
        while self.tags and self.tags.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.tags):
            self.rows[-1][-1] += f"{data} "
        elif "p" in self.tags:
            self.words[-1] += data

    @property
    def table(self) -> dict[str, dict[str, str]]:
        """Cells by the first word of a row and the name of a column."""
        columns, *rows = ([cell.strip() for cell in row] for row in self.rows)
        return {row[0].split()[-1]: dict(zip(columns, row, strict=True)) for row in rows}


@pytest.fixture(scope="module")
def pages(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    files = docs.write(small_world.whole.parent, tmp_path_factory.mktemp("docs"))
    return {file.name: Page(file.read_text("utf-8")) for file in files}


def published(world: World, query: str) -> list[tuple]:
    con = warehouse.connect(world.whole, read_only=True)
    try:
        return con.execute(query).fetchall()
    finally:
        con.close()


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def test_each_signal_has_a_row_with_what_its_file_says(pages) -> None:
    page = pages["signals.html"]
    assert [row[0].split()[0] for row in page.rows[1:]] == SIGNALS
    for row, name in zip(page.rows[1:], SIGNALS, strict=True):
        header = read_header(PROJECT / "macros" / "signals" / f"{name}.sql")
        for part in (header.reason, header.formula, header.source, header.horizon, header.knows):
            assert part in row[1]


def test_the_coefficients_are_those_of_the_newest_record(small_world, pages) -> None:
    cells = {row[0].split()[0]: row for row in pages["signals.html"].rows[1:]}
    rows = published(
        small_world,
        """
        select signal, ic, ic_lower, ic_upper, rank_ic from main.signal_quality
        where span = 'record' and horizon = 5
        qualify row_number() over (partition by signal order by window_id desc) = 1
        """,
    )
    assert len(rows) >= 12
    for signal, ic, lower, upper, rank_ic in rows:
        said = cells[signal][3].replace("[", "").replace("]", "").replace(",", "").split()
        assert [number(text) for text in said] == pytest.approx([ic, lower, upper], abs=6e-4)
        assert number(cells[signal][4]) == pytest.approx(rank_ic, abs=6e-4)
        assert "5: " in cells[signal][5]


def test_the_words_count_what_lies_above_zero_and_what_luck_would_bring(small_world, pages) -> None:
    ((above, known),) = published(
        small_world,
        """
        select count(*) filter (where lower > 0), count(*) from (
            from main.metric_intervals as metrics inner join main.strategies on strategy = subject
            where metrics.kind = 'strategy' and strategies.kind = 'signal' and metric = 'sharpe'
                and asset_group = 'all' and lower is not null
            qualify row_number() over (partition by subject order by window_id desc) = 1
        )
        """,
    )
    words = " ".join(pages["signals.html"].words)
    assert (
        f"{above} of {known} strategies that trade a signal have a Sharpe whose interval lies above" in words
    )
    assert f"luck alone would bring about {0.025 * known:.2g}" in words
    assert "always_long, which holds every asset always" in words


def test_each_learner_has_a_row_for_each_strategy_with_its_settings(small_world, pages) -> None:
    table = pages["learners.html"].table
    fitted = dict(published(small_world, "select strategy, plan from main.strategies where kind = 'learner'"))
    assert {name: table[name]["Plan"] for name in fitted} == fitted
    assert all("Ridge regression" in table[name]["What it is"] for name in fitted if name.startswith("ridge"))


def test_each_weighting_has_a_row_with_what_it_earned_beside_the_one_in_force(small_world, pages) -> None:
    table = pages["weightings.html"].table
    told = published(small_world, "select method, count(*) from main.ensemble_returns group by method")
    assert {method for method, _ in told} == set(table)
    assert table["hedge"]["Yardstick"] == "softmax"
    assert table["softmax"]["Yardstick"] == "–"
    assert table["without_views"]["Yardstick"] == "allocator"
    assert "Multiplicative weights" in table["hedge"]["What it is"]
    assert table["stacking"]["Settings"] == "MOST 3.0, WANTED 1.0, RIDGE 60.0"
    drawn = published(
        small_world,
        """
        select 1e4 * estimate, 1e4 * lower, 1e4 * upper from main.metric_intervals
        where subject = 'small: hedge - softmax' and metric = 'expected_return'
        order by window_id desc limit 1
        """,
    )
    said = table["hedge"]["Beyond it, bp"].replace("[", "").replace("]", "").replace(",", "")
    assert [number(part) for part in said.split()] == pytest.approx(drawn[0], abs=0.005)


def test_without_anything_published_the_pages_say_so_and_what_the_files_say(tmp_path: Path) -> None:
    for file in docs.write(tmp_path / "nothing", tmp_path / "out"):
        page = Page(file.read_text("utf-8"))
        assert page.words[0].startswith("Nothing is published yet")
        assert all(len(row[1]) > 20 for row in page.rows[1:])


def test_a_header_may_go_over_lines(tmp_path: Path) -> None:
    file = tmp_path / "mine.sql"
    file.write_text(HEADER, "utf-8")
    header = read_header(file)
    assert header.formula == "tanh(r_month / (σ · √n))"
    assert (header.name, header.reason, header.knows) == (
        "mine",
        "What it is: a reason.",
        "closes of one month",
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "Source: Somebody 1990\n",
            "",
            "expected the parts Formula, Source, Horizon, Knows; found Formula, Horiz",
        ),
        ("signal__mine", "signal__yours", "expected the macro signal__mine, found signal__yours"),
        ("Somebody 1990", "", "a part of the header is empty"),
        ("{# What", "What", "expected a header and then the macro"),
        ("   Knows:", "   Source: again\n   Knows:", "found Formula, Source, Horizon, Source, Knows"),
    ],
)
def test_a_header_that_lacks_a_part_is_refused_by_name(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "mine.sql"
    file.write_text(HEADER.replace(old, new), "utf-8")
    with pytest.raises(HeaderError, match=f"mine.sql: .*{said}"):
        read_header(file)
