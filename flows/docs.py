"""Pages on signals, learners and weightings: what files say, and what the warehouse has seen of them."""

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd

from flows.dbt import PROJECT
from flows.evaluation_rows import SIGNALS_SQL, WEIGHTINGS_SQL
from flows.outputs import NothingPublished, open_published
from flows.publish import write_atomically
from flows.signal_headers import read_header
from flows.validation import HORIZON

if TYPE_CHECKING:
    import duckdb

TEMPLATE = Path(__file__).parent / "docs_page.html"
NONE = "–"
BELOW_BY_LUCK = 0.025  # the part of worthless trials whose 95 % interval lies above zero
OF_SIGNALS = (
    "IC: mean over test decisions of the correlation, across assets, of readings and the returns of the "
    f"next {HORIZON} decisions, fill to fill and before costs, with its 95 % interval (Newey and West, for "
    "the overlap). Rank IC: the same of ranks. Decay: the IC over other horizons, in decisions.",
    "Turnover: mean absolute change of a reading from one decision to the next. Most alike: the signal whose "
    "readings go most with it, either way.",
    "Sharpe: annual, of the strategies that trade the signal, mean over all assets, in test spans, after "
    "costs, with its 95 % interval by block bootstrap. Trials: configurations tried.",
)
OF_LEARNERS = (
    "A learner is fitted on the readings of signals, inside each train span only. IC of positions: mean over "
    "test decisions of the correlation, across assets, of positions and returns until the next fill.",
    "Intervals are drawn under the portfolio's own plan alone.",
)
OF_WEIGHTINGS = (
    "Each is chosen before its decision and judged after it, with the same strategies, assets, orders and "
    "costs. Invested: mean share of a notional of 1 over all assets. Beyond: what a decision earned more "
    "than under the yardstick, in basis points of that notional, net, with its paired 95 % interval by block "
    "bootstrap. Information ratio: annual, of the same differences.",
    "best_single gives all to the best score of each asset; no_gates is the weighting in force over every "
    "strategy that has a score; allocator is its own answer before smoothing, and without_views what it "
    "would say if every view were sure.",
)
UNSAID = "Nothing is published yet: this page says what the files say. `make rebalance` brings the numbers."

LAST_RUN_SQL = """
    select runs.portfolio, runs.as_of, portfolios.clock, portfolios.plan
    from raw.runs as runs
    inner join main.portfolios as portfolios using (portfolio)
    order by runs.run_number desc
    limit 1
"""
# The newest test record of each strategy after costs, with its interval, under its own plan or the one that
# decides.
STRATEGIES_SQL = """
    with
        records as (
            select strategy, plan, windows, sharpe, information_coefficient, undefined
            from main.test_record
            where clock = $clock and asset_group = 'all' and scenario = 'plain'
            qualify row_number() over (partition by strategy, plan order by window_id desc) = 1
        ),
        intervals as (
            select subject as strategy, plan, lower, upper
            from main.metric_intervals
            where clock = $clock and asset_group = 'all' and kind = 'strategy' and metric = 'sharpe'
            qualify row_number() over (partition by subject, plan order by window_id desc) = 1
        ),
        tried as (select strategy, count(distinct config_hash) as trials from main.trials group by strategy)
    select
        strategies.strategy, strategies.kind, strategies.source,
        coalesce(strategies.plan, $plan) as plan, records.windows, records.sharpe, intervals.lower,
        intervals.upper, records.information_coefficient, tried.trials
    from main.strategies as strategies
    left join records
        on records.strategy = strategies.strategy and records.plan = coalesce(strategies.plan, $plan)
    left join intervals
        on intervals.strategy = strategies.strategy and intervals.plan = coalesce(strategies.plan, $plan)
    left join tried on tried.strategy = strategies.strategy
    order by strategies.strategy
"""
# Where there is a table of it: of all bars of all assets, how many each signal had a value for.
COVERAGE_SQL = """
    select
        signal,
        sum(bars_with_value) / sum(bars) as bars,
        count(distinct symbol) filter (where bars_with_value > 0) as assets,
        count(distinct symbol) as all_assets
    from main.signal_coverage
    group by signal
    order by signal
"""


@dataclass(frozen=True)
class Seen:
    """What is published of the last run's portfolio: rows of the queries above; empty where nothing is."""

    about: Mapping[str, Any] = field(default_factory=dict)
    strategies: pd.DataFrame = field(default_factory=pd.DataFrame)
    signals: pd.DataFrame = field(default_factory=pd.DataFrame)
    coverage: pd.DataFrame = field(default_factory=pd.DataFrame)
    weightings: pd.DataFrame = field(default_factory=pd.DataFrame)

    def of(self, kind: str, source: str) -> pd.DataFrame:
        """The strategies made of one signal or learner, or all of a kind."""
        rows = self.strategies
        return rows[(rows["kind"] == kind) & (rows["source"] == source)] if len(rows) else rows


def write(warehouse: Path, out: Path) -> list[Path]:
    """Write signals.html, learners.html and weightings.html into `out`, whole or not at all; their paths."""
    seen = published(warehouse)
    pages = {"signals.html": signals_page(seen), "learners.html": learners_page(seen)}
    pages["weightings.html"] = weightings_page(seen)
    for name, page in pages.items():
        write_atomically(out / name, page.encode())
    return [out / name for name in pages]


def published(warehouse: Path) -> Seen:
    """What is published of the portfolio that ran last; nothing where nothing is."""
    try:
        con = open_published(warehouse)
    except NothingPublished:
        return Seen()
    try:
        runs = con.execute(LAST_RUN_SQL).df()
        return _seen(con, runs.iloc[0].to_dict()) if len(runs) else Seen()
    finally:
        con.close()


def _seen(con: "duckdb.DuckDBPyConnection", run: dict[str, Any]) -> Seen:
    judged = {"clock": run["clock"], "plan": run["plan"]}
    of_portfolio = judged | {"at": run["as_of"], "portfolio": run["portfolio"]}
    has_coverage = con.execute("from duckdb_tables() where table_name = 'signal_coverage'").fetchall()
    return Seen(
        about=run,
        strategies=con.execute(STRATEGIES_SQL, judged).df(),
        signals=con.execute(SIGNALS_SQL, judged | {"at": run["as_of"]}).df(),
        coverage=con.execute(COVERAGE_SQL).df() if has_coverage else pd.DataFrame(),
        weightings=con.execute(WEIGHTINGS_SQL, of_portfolio).df(),
    )


def signals_page(seen: Seen) -> str:
    """One row a signal: its header, and how well its readings foretold returns, before and after costs."""
    columns = ["Signal", "What it is", "Assets", f"IC over {HORIZON}", "Rank IC", "Decay", "Turnover"]
    columns += ["Most alike", "Sharpe after costs", "Trials"]
    rows = [_signal(file, seen) for file in sorted((PROJECT / "macros" / "signals").glob("*.sql"))]
    foretold = seen.signals[seen.signals["horizon"] == HORIZON] if len(seen.signals) else seen.signals
    words = [*_about(seen), *_luck_of_coefficients(foretold), *_luck_of_sharpes(seen, "signal")]
    return _page("Signals", words, OF_SIGNALS, columns, rows)


def learners_page(seen: Seen) -> str:
    """One row a learner: what its file says, and what it earned under each plan it is fitted under."""
    columns = ["Learner", "What it is", "Settings", "Plan", "IC of positions", "Sharpe after costs", "Trials"]
    folder = PROJECT / "python_steps" / "learners"
    rows = [row for file in sorted(folder.glob("[!_]*.py")) for row in _learner(file, seen)]
    return _page("Learners", [*_about(seen), *_luck_of_sharpes(seen, "learner")], OF_LEARNERS, columns, rows)


def weightings_page(seen: Seen) -> str:
    """One row a way to weigh strategies: what its file says, and what it earned beside the one in force."""
    columns = [
        "Weighting",
        "What it is",
        "Settings",
        "Decisions",
        "Invested",
        "Sharpe after costs",
        "Yardstick",
    ]
    columns += ["Beyond it, bp", "Information ratio"]
    folder = PROJECT / "python_steps" / "weightings"
    files = {file.stem: file for file in folder.glob("[!_]*.py")}
    earned = {row["method"]: row for row in seen.weightings.to_dict("records")}
    rows = [
        _weighting(name, files.get(name), earned.get(name)) for name in sorted(files.keys() | earned.keys())
    ]
    return _page("Weightings", _about(seen), OF_WEIGHTINGS, columns, rows)


def _weighting(name: str, file: Path | None, row: Mapping[str, Any] | None) -> list[Any]:
    tree = ast.parse(file.read_text("utf-8") if file else "")
    about = ast.get_docstring(tree) or "A yardstick, see below."
    settings = ", ".join(f"{key} {value}" for key, value in _settings(tree))
    cells = [{"name": name, "detail": ""}, {"text": about, "parts": {}}, settings or NONE]
    if row is None:
        return [*cells, *[NONE] * 6]
    return [
        *cells,
        str(row["decisions"]),
        f"{row['invested']:.0%}",
        _number(row["sharpe"], 2),
        row["yardstick"] if isinstance(row["yardstick"], str) else NONE,
        _bounded(row["beyond"], row["beyond_lower"], row["beyond_upper"], 2),
        _bounded(row["ratio"], row["ratio_lower"], row["ratio_upper"], 2),
    ]


def _signal(file: Path, seen: Seen) -> list[Any]:
    header = read_header(file)
    strategies, seeded = seen.of("signal", header.name), _seeded("signal", header.name)
    records = seen.signals[seen.signals["signal"] == header.name] if len(seen.signals) else seen.signals
    judged = records[records["horizon"] == HORIZON] if len(records) else records
    cautions = sorted(set(seeded["caution"].dropna()))
    said = {"Formula": header.formula, "Source": header.source, "Horizon": header.horizon}
    said |= {"Knows": header.knows} | ({"Caution": "; ".join(cautions)} if cautions else {})
    first = judged.iloc[0] if len(judged) else None
    decay = ", ".join(f"{row.horizon}: {_number(row.ic, 3)}" for row in records.itertuples())
    return [
        {"name": header.name, "detail": ", ".join(sorted(set(seeded["family"])))},
        {"text": header.reason, "parts": said},
        _covered(seen.coverage, header.name),
        NONE if first is None else _bounded(first["ic"], first["ic_lower"], first["ic_upper"], 3),
        NONE if first is None else _number(first["rank_ic"], 3),
        decay or NONE,
        NONE if first is None else _number(first["turnover"], 2),
        _alike(first),
        _sharpes(strategies),
        _trials(strategies),
    ]


def _seeded(kind: str, source: str) -> pd.DataFrame:
    """Rows of the seed that trade a signal or learner."""
    rows = pd.read_csv(PROJECT / "seeds" / "strategies.csv")
    return rows[(rows["kind"] == kind) & (rows["source"] == source)]


def _learner(file: Path, seen: Seen) -> Iterator[list[Any]]:
    tree = ast.parse(file.read_text("utf-8"))
    about, name = ast.get_docstring(tree) or "", {"name": file.stem, "detail": ""}
    settings = ", ".join(f"{key} {value}" for key, value in _settings(tree))
    strategies = seen.of("learner", file.stem)
    if strategies.empty:
        yield [name, {"text": about, "parts": {}}, settings or NONE, *[NONE] * 4]
    for row in strategies.itertuples():
        cells = [
            name | {"detail": row.strategy},
            {"text": about, "parts": {}},
            settings or NONE,
            row.plan,
            _number(row.information_coefficient, 3),
            _bounded(row.sharpe, row.lower, row.upper, 2),
            _trials(strategies[strategies["strategy"] == row.strategy]),
        ]
        yield cells


def _settings(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """Constants at the top of a file, by name."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id.isupper():
                    yield target.id, node.value.value


def _about(seen: Seen) -> list[str]:
    if not seen.about:
        return [UNSAID]
    run = seen.about
    trials = int(seen.strategies["trials"].sum())
    return [
        f"Published as of {run['as_of']:%Y-%m-%d %H:%M} UTC; portfolio {run['portfolio']}, plan "
        f"{run['plan']}, clock {run['clock']}. {trials} trials of what is tested are counted."
    ]


def _luck_of_coefficients(judged: pd.DataFrame) -> list[str]:
    known = judged.dropna(subset=["ic_lower"]) if len(judged) else judged
    if known.empty:
        return []
    above, below = int((known["ic_lower"] > 0).sum()), int((known["ic_upper"] < 0).sum())
    return [
        f"Before costs, {above} of {len(known)} signals have an IC whose interval lies above zero, and "
        f"{below} one that lies below. Were none worth anything, luck alone would bring about "
        f"{BELOW_BY_LUCK * len(known):.2g} of either."
    ]


def _luck_of_sharpes(seen: Seen, kind: str) -> list[str]:
    if seen.strategies.empty:
        return []
    known = seen.strategies[seen.strategies["kind"] == kind].dropna(subset=["lower"])
    if known.empty:
        return [f"No {kind} has an interval of its Sharpe yet."]
    above = int((known["lower"] > 0).sum())
    words = (
        f"After costs, {above} of {len(known)} strategies that trade a {kind} have a Sharpe whose interval "
        f"lies above zero. Were none worth anything, luck alone would bring about "
        f"{BELOW_BY_LUCK * len(known):.2g}."
    )
    return [words, *_yardsticks(seen.strategies, known)]


def _yardsticks(strategies: pd.DataFrame, known: pd.DataFrame) -> Iterator[str]:
    """Who only buys earns what the market did: the strategies beside those that always hold."""
    for row in strategies[strategies["kind"] == "constant"].dropna(subset=["sharpe"]).itertuples():
        better = int((known["lower"] > row.sharpe).sum())
        yield (
            f"They buy and never sell short, so the market's own rise is in these numbers: {row.strategy}, "
            f"which holds every asset always, has {_bounded(row.sharpe, row.lower, row.upper, 2)}; "
            f"{better} of their intervals lie above that."
        )


def _covered(coverage: pd.DataFrame, signal: str) -> str:
    rows = coverage[coverage["signal"] == signal] if len(coverage) else coverage
    if rows.empty:
        return NONE
    row = rows.iloc[0]
    return f"{row['assets']} of {row['all_assets']}, {row['bars']:.0%} of bars"


def _alike(record: Any) -> str:
    if record is None or not isinstance(record["other_signal"], str):
        return NONE
    return f"{record['other_signal']} {_number(record['correlation'], 2)}"


def _sharpes(strategies: pd.DataFrame) -> str:
    said = [
        (f"{row.strategy}: " if row.strategy != row.source else "")
        + _bounded(row.sharpe, row.lower, row.upper, 2)
        for row in strategies.itertuples()
    ]
    return "; ".join(said) or NONE


def _trials(strategies: pd.DataFrame) -> str:
    counted = strategies["trials"].dropna() if len(strategies) else []
    return str(int(sum(counted))) if len(counted) else NONE


def _bounded(value: float, lower: float, upper: float, digits: int) -> str:
    if not all(map(math.isfinite, (lower, upper))):
        return _number(value, digits)
    return f"{_number(value, digits)} [{_number(lower, digits)}, {_number(upper, digits)}]"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−") if math.isfinite(value) else NONE


def _page(
    title: str, words: Sequence[str], notes: Sequence[str], columns: Sequence[str], rows: Sequence[list[Any]]
) -> str:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    return template.render(title=title, words=words, notes=notes, columns=columns, rows=rows)
