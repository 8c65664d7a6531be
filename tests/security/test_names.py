"""Symbols, vendors and portfolios from outside are checked by pattern, and are only ever rows."""

import ast
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from python_steps import names, warehouse

RUNNER = CliRunner()
PROJECT = Path(__file__).parents[2]
EVIL = [
    "x'; drop table raw.bars; --",
    'x" or 1=1',
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "a b",
    "",
    "x" * 33,
    "é",
    "a\nb",
    "A\n",
    "-x",
    "$(id)",
    "{{ 7 }}",
    "<script>",
]


IN_WORDS = {"a/b", "a b", "x" * 33}  # a vendor may be said in words


@pytest.mark.parametrize("symbol", ["BTC-USD", "BRK.B", "^GSPC", "EURUSD=X", "600519.SH", "M&M.NS", "A"])
def test_usual_symbols_are_symbols(symbol):
    assert names.is_symbol(symbol)


@pytest.mark.parametrize("text", EVIL)
def test_what_could_be_more_than_a_name_is_none(text):
    assert not names.is_symbol(text)
    assert not names.is_name(text) or len(text) == 33  # a portfolio's name may be longer
    assert not names.is_vendor(text) or text in IN_WORDS


def bars(folder: Path, name: str = "bars.csv", **odd: str) -> Path:
    row = {"symbol": "ZORK", "date": "2019-01-02", "close": "10", "asset_class": "equity"} | odd
    cells = ['"' + value.replace('"', '""') + '"' for value in row.values()]
    file = folder / name
    file.write_text(",".join(row) + "\n" + ",".join(cells) + "\n", "utf-8")
    return file


def rebalance(folder: Path, *arguments: object):
    places = ["--warehouse", str(folder / "w"), "--out", str(folder / "o")]
    return RUNNER.invoke(app, ["rebalance", *map(str, arguments), *places])


@pytest.mark.parametrize("text", [text for text in EVIL if text.strip()])
@pytest.mark.parametrize("column", ["symbol", "vendor"])
def test_a_file_whose_names_are_none_is_refused_with_the_row(tmp_path, column, text):
    if text == "A\n" or (column == "vendor" and text in IN_WORDS):
        pytest.skip("a cell is trimmed before it is read; a vendor may be said in words")
    said = rebalance(tmp_path, "--bars", bars(tmp_path, **{column: text}))
    assert said.exit_code == 1
    assert said.stderr.startswith("error: bars.csv: row 1: ")
    assert "is no symbol" in said.stderr or "is no name of a vendor" in said.stderr


@pytest.mark.parametrize("column", ["x'; drop table raw.bars; --", 'x"; drop table rows; --', "select 1"])
def test_a_column_of_a_file_is_data_whatever_it_is_called(tmp_path, column):
    said = rebalance(tmp_path, "--bars", bars(tmp_path, **{column: "1"}))
    assert "one window of plan 'default' needs" in said.stderr  # all was landed, and one bar is too few


@pytest.mark.parametrize("name", ["a'; drop table raw.bars; --", "a b", "é", "a.b"])
def test_a_policy_file_has_a_name_that_can_be_one_of_a_folder(tmp_path, name):
    (tmp_path / f"{name}.yml").write_text("extends: default\n")
    said = rebalance(tmp_path, "--portfolio", tmp_path / f"{name}.yml")
    assert said.exit_code == 1
    assert "is no name of a policy file" in said.stderr


@pytest.mark.parametrize("parent", ["../secret", "/etc/passwd", "a/b", "'x.yml'", "[default]", "1"])
def test_a_policy_extends_what_lies_beside_it_or_among_the_policies(tmp_path, parent):
    (tmp_path / "secret.yml").write_text("extends: default\nseed: 7\n")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "mine.yml").write_text(f"extends: {parent}\n")
    said = RUNNER.invoke(app, ["policy", "show", str(folder / "mine.yml")])
    assert said.exit_code == 1
    assert "extends" in said.stderr or "unknown" in said.stderr
    assert "seed: 7" not in said.stdout


KEYS = ["universe: {symbols: [X]}", "stops: {defensive: {limit: 0.1, symbols: [X]}}"]


@pytest.mark.parametrize("key", KEYS)
def test_symbols_of_a_policy_are_symbols(tmp_path, key):
    file = tmp_path / "mine.yml"
    file.write_text("extends: default\n" + key.replace("X", "GLD") + "\n")
    assert RUNNER.invoke(app, ["policy", "show", str(file)]).exit_code == 0
    file.write_text("extends: default\n" + key.replace("X", '"x\'; drop"') + "\n")
    said = RUNNER.invoke(app, ["policy", "show", str(file)])
    assert said.exit_code == 1
    assert "symbols.0" in said.stderr


def test_a_folder_with_a_quote_is_a_folder(tmp_path):
    """What SQL text must name, an attached file, is quoted."""
    import datetime as dt

    from flows.guards.compare import compared_tables, differences

    folder = tmp_path / "it's"
    folder.mkdir()
    con = warehouse.connect(folder / "a.duckdb")
    warehouse.create_tables(con)
    con.close()
    assert compared_tables
    assert list(differences(folder / "a.duckdb", folder / "a.duckdb", dt.datetime(2020, 1, 1))) == []


# Every expression that stands inside SQL text: names of our own tables, columns and conditions. Whoever adds
# one answers that nothing from outside can reach it.
REVIEWED = {
    "flows/explanation_rows.py": {"IN_FORCE", "SEEN"},
    "flows/landing.py": {"ASSETS_IN_FORCE"},
    "flows/page_rows.py": {"OF_RUN", "SEEN"},
    "flows/pipeline.py": {"table"},
    "flows/rebalance.py": {"table"},
    "flows/replay.py": {"table", "condition"},
    "flows/spark/build.py": {"file", "table"},  # tables of our own, and where make spark puts them
    "flows/spark/session.py": {"schema"},  # one of three
    "flows/vendors.py": {"ASSETS_IN_FORCE"},
    "python_steps/adapters/file.py": {  # columns are renamed to ours before
        *("', '.join(selected)", "' union all '.join(misfits)", "_text(column)"),
        *("column", "condition", "value"),
    },
    "python_steps/lake.py": {  # a path is quoted; names are ours, and a snapshot is a number
        *("quoted(place)", "quoted(str(_extension(name)))", "kind", "name", "where"),
        *("NAME", "PINS"),
    },
    "python_steps/lake_lock.py": {"lake.quoted(place)"},
    "python_steps/lake_restore.py": {"_text(name)", "lake.NAME", "before", "table"},
    "python_steps/land_actions.py": {"column", "condition", "numbers", "table", "ASSETS_IN_FORCE"},
    "python_steps/land_bars.py": {
        *("table", "batches", "reason", "detail", "condition"),
        *("reason in REASONS_OF_TIME", "' union all '.join(found)"),
    },
    "python_steps/land_payloads.py": {"marks"},
    "python_steps/landing_sql.py": {"SAME_VALUES"},
    "python_steps/warehouse.py": {
        *("lake.quoted(str(file))", "name"),  # a path, and our name of what is attached
        *("table", "shape", "query", "table.partition('.')[0]", "', '.join(values)"),
    },
}
BEGINS = re.compile(
    r"\s*\(?\s*(select|insert into|delete from|update|create|drop|attach|describe|alter|copy|with|nullif)\b"
    r"|\s*from \(",
    re.IGNORECASE,
)


def in_sql(source: str) -> set[str]:
    """Expressions that f-strings, + or % or format put into text that begins as SQL does."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.expr] = []
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else " x " for part in node.values)
            parts = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            left, right = node.left, node.right
            text = str(left.value) if isinstance(left, ast.Constant) else ""
            parts = [] if isinstance(right, ast.Constant | ast.JoinedStr) else [right]
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"
        ):
            of = node.func.value
            text = str(of.value) if isinstance(of, ast.Constant) else ""
            parts = [*node.args, *(word.value for word in node.keywords)]
        else:
            continue
        if BEGINS.match(text):
            found |= {ast.unparse(part) for part in parts}
    return found


def test_nothing_is_put_into_sql_text_that_nobody_reviewed():
    found = {}
    for folder in ("flows", "python_steps"):
        for file in sorted((PROJECT / folder).rglob("*.py")):
            name = str(file.relative_to(PROJECT))
            if "guards" not in name and (expressions := in_sql(file.read_text("utf-8"))):
                found[name] = expressions - REVIEWED.get(name, set())
    assert {name: new for name, new in found.items() if new} == {}
    assert len(found) > 8  # the search finds those there are


@pytest.mark.parametrize(
    "code",
    [
        """con.execute(f"select * from raw.bars where symbol = '{symbol}'")""",
        """con.execute("select * from raw.bars where symbol = '" + symbol)""",
        """con.execute("delete from raw.bars where symbol = '%s'" % symbol)""",
        """con.execute("select {}".format(symbol))""",
    ],
)
def test_the_search_finds_a_symbol_in_sql_text(code):
    assert in_sql(code) == {"symbol"}
