"""From landed rows to exposures: models, step, models, step, in order of lineage."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from flows.dbt import Dbt
from flows.failpoints import reached
from flows.fan_out import Note, fanned_out, one_thread, untold
from python_steps import lake, plugins, warehouse
from python_steps.book import CASH
from python_steps.executors import IN_TURN, Fan
from python_steps.policy import Policy

if TYPE_CHECKING:
    import duckdb

    from python_steps.allocation_inputs import AllocationInputs
    from python_steps.learn_forecasts import Learner, Signals

LEARNED = ("forecasts", "fitted_models", "feature_importances", "tuning_trials", "cpcv_metrics", "regimes")
BELIEVED = (
    "trials",
    "strategy_gates",
    "overfit_metrics",
    "strategy_weights",
    "expected_returns",
    "confidences",
    "reality_checks",
    "forecast_reliability",
    "ensemble_exposures",
    "ensemble_weights",
    "weighting_regrets",
)
ALLOCATED = (
    "target_exposures",
    "weight_waterfall",
    "allocation_log",
    "stop_conditions",
    "ablated_weights",
    "constraint_prices",
    "holdings_taken",
    "risk_contributions",
)
EXPLAINED = ("ablated_weights", "constraint_prices")  # of these, what no decision reads
MEASURED = ("metric_intervals",)
DECIDING = 0.005  # seconds that a decision takes the walk, by its order of magnitude
OF_WINDOWS = {
    "fitted_models": ["window_id"],
    "feature_importances": ["window_id", "feature"],
    "tuning_trials": ["window_id", "configuration"],
}
# What strategies are judged from, of the two tables with the most rows.
PROFITS = (
    *("strategy", "symbol", "decision_at", "status", "known_at"),
    *("position", "gross_return", "net_return", "turnover", "is_trade"),
)
SHARPES = ("strategy", "symbol", "window_id", "span", "sharpe", "known_at")
DECIDED = (*BELIEVED[1:], *ALLOCATED)  # keyed by portfolio and decision
# Models that no decision reads, the evidence for people, by the step that they are built beside.
EVIDENCE = {
    "learn": (
        *("path:models/monitoring", "group_decisions+", "delayed_bars+"),
        *("benchmark_weights+", "decision_statistics+"),
    ),
    "weigh": ("delayed_positions+", "group_returns+", "spoken_regimes+"),
    "allocate": ("group_block_sums+", "gate_changes+", "strategy_agreement+"),
    "bootstrap": ("portfolio_risk+", "stop_marks+", "stress_tests+", "portfolio_costs+", "capacity_moments+"),
}
COMPARED = "ensemble_orders+"  # evidence that the last step reads
UNREAD = [*chain(*EVIDENCE.values()), COMPARED]


@dataclass(frozen=True)
class Run:
    """One run in a working file: its bounds are the last row of raw.runs.

    `holdings` are weights by symbol that its newest decision is told are held, where it makes one.
    """

    file: Path
    run_id: str
    portfolio: str
    policy: Policy
    as_of: pd.Timestamp
    batch_until: int
    holdings: Mapping[str, float] = field(default_factory=dict)


def compute(run: Run, dbt: Dbt, note: Note, *, is_tested: bool = True, is_shown: bool = True) -> int:
    """Build all tables of a run and make its missing decisions; returns how many were made.

    With `is_tested`, dbt's tests run with the models and end the run with DbtError on a failure. Without
    `is_shown`, nothing is made that no decision reads: neither evidence nor intervals, nor what explains.
    """
    return compute_all([run], dbt, note, is_tested=is_tested, is_shown=is_shown)[0]


def compute_all(
    runs: Sequence[Run],
    dbt: Dbt,
    note: Note,
    *,
    is_tested: bool = True,
    is_shown: bool = True,
    tell: Note = untold,
) -> list[int]:
    """The same for portfolios that share file, as_of and batch_until: every model is built once for all.

    Of trials all count, whichever policy tried them; else no portfolio's rows depend on another. Steps fan
    out to the executor that the environment names, and `tell` hears how far each is.
    """
    build = dbt.build if is_tested else dbt.run
    with fanned_out(tell) as fan:
        return _computed(runs, dbt, build, note, fan, is_shown=is_shown)


def _computed(
    runs: Sequence[Run], dbt: Dbt, build: Callable[..., None], note: Note, fan: Fan, *, is_shown: bool
) -> list[int]:
    first = runs[0]
    build(exclude=["source:steps+", *UNREAD])
    reached("built")
    note("Signals and windows built", **_counts(first, "signals", "walk_forward_windows"))
    with _beside(first.file, lambda: _each(learn, runs, repeat(fan))):
        if is_shown:
            build(select=EVIDENCE["learn"], exclude=["source:steps+"])
    reached("learned")
    note("Learners fitted", **_counts(first, "steps.fitted_models"))
    build(select=_downstream(LEARNED), exclude=[*_downstream(BELIEVED + ALLOCATED), *UNREAD])
    reached("evaluated")
    trials = max([count_trials(run, dbt.project / "macros") for run in runs])
    note("Strategies evaluated", **_counts(first, "strategies", "window_metrics"))
    reached("trials_counted")
    decisions = [new_decisions(run) for run in runs]
    added = [len(rows) for rows in decisions]
    with _beside(first.file, lambda: _each(weigh, runs, decisions, repeat(trials), repeat(fan))):
        if is_shown:
            later = [*_downstream(BELIEVED + ALLOCATED), *EVIDENCE["allocate"]]
            build(select=EVIDENCE["weigh"], exclude=later)
    reached("weighed")
    build(select=_downstream(BELIEVED), exclude=[*_downstream(ALLOCATED), *UNREAD])
    reached("beliefs_built")
    note("Strategies weighed", decisions=sum(added), trials=trials)
    _each(tell_held, runs, decisions)
    with _beside(first.file, lambda: allocate_all(runs, decisions, fan, is_explained=is_shown)):
        if is_shown:
            build(select=EVIDENCE["allocate"], exclude=_downstream(ALLOCATED))
    reached("allocated")
    build(select=_downstream(ALLOCATED), exclude=[*chain(*EVIDENCE.values())] if is_shown else UNREAD)
    reached("exposures_built")
    note("Exposures allocated", decisions=sum(added))
    if is_shown:
        _measure(runs, build, note, fan)
    return added


def _measure(runs: Sequence[Run], build: Callable[..., None], note: Note, fan: Fan) -> None:
    """Draw the intervals of what was earned."""
    intervals: list[int] = []
    with _beside(runs[0].file, lambda: intervals.extend(map(bootstrap, runs, repeat(fan)))):
        build(select=EVIDENCE["bootstrap"])
    reached("measured")
    build(select=[*_downstream(MEASURED), "leak_findings"])  # a view of what portfolio leakcheck wrote
    note("Intervals drawn", rows=sum(intervals))


@contextmanager
def _beside(file: Path, step: Callable[[], object]) -> Iterator[None]:
    """A step in a thread of its own, beside what is built inside: it neither reads that nor is read by it.

    Ends when both have ended; where both fail, the step's error is raised. In a lake the step goes first: two
    transactions that commit at once in one process may crash DuckLake (its issue 1248).
    """
    if lake.is_lake(file):
        with one_thread():
            step()
            yield
        return
    with one_thread(), ThreadPoolExecutor(1) as pool:
        working = pool.submit(copy_context().run, step)  # its lines in the log are the run's too
        try:
            yield
        finally:
            working.result()


def new_decisions(run: Run) -> pd.DataFrame:
    """Decisions of the portfolio that have no exposures yet."""
    with _connected(run) as con:
        decisions = warehouse.read(con, "decisions", where=lambda t: t.portfolio == run.portfolio)
        made = warehouse.read(
            con,
            "steps.allocation_log",
            columns=["decision_at"],
            where=lambda t: t.portfolio == run.portfolio,
        )
    return decisions[~decisions["decision_at"].isin(made["decision_at"])].sort_values("decision_at")


def learn(run: Run, fan: Fan = IN_TURN) -> None:
    """Fit each learner in its plan, in the windows whose forecasts are not complete; filter the regimes.

    Raises UnknownPlugin for a detector that no file has.
    """
    from python_steps.detect_regimes import DETECTORS, detect_all
    from python_steps.learn_forecasts import to_signals

    plugins.load(DETECTORS, run.policy.detector)  # an unknown one is refused before anything is fitted
    clock = run.policy.clock
    with _connected(run) as con:
        read = _reader(con)
        signals = to_signals(read("readings", lambda t: t.clock == clock))
        for plan in run.policy.laid_plans:
            _learn_plan(run, con, plan, signals, fan)
        returns = _listed(read("decision_returns", lambda t: t.clock == clock), read("assets"))
        instants = read("decisions", lambda t: t.portfolio == run.portfolio)["decision_at"]
        regimes = detect_all(returns, instants, clock, run.run_id)
        past = read("steps.regimes", lambda t: t.clock == clock)
        _append(con, "steps.regimes", regimes, past, ["detector", "decision_at"])


def _learn_plan(run: Run, con: "duckdb.DuckDBPyConnection", plan: str, signals: "Signals", fan: Fan) -> None:
    """Fit the learners that belong to a plan."""
    from python_steps.learn_forecasts import Learner
    from python_steps.learn_forecasts import learn as fit

    clock, read = run.policy.clock, _reader(con)
    strategies = read("strategies", lambda t: (t.kind == "learner") & (t.plan == plan))
    if strategies.empty:
        return
    windows = read("walk_forward_windows", lambda t: (t.clock == clock) & (t.plan == plan))
    examples = read("examples", lambda t: (t.clock == clock) & (t.plan == plan))
    for _, row in strategies.drop_duplicates("learner").sort_values("learner").iterrows():
        parameters = {} if pd.isna(row["parameters"]) else json.loads(row["parameters"])
        learner = Learner(row["learner"], row["source"], parameters)

        def of_learner(table: Any, name: str = learner.name) -> Any:
            return (table.clock == clock) & (table.plan == plan) & (table.learner == name)

        past = read("steps.forecasts", of_learner)
        unfinished = _unfinished(windows, examples, past)
        said = fit(examples, signals, unfinished, learner, run.run_id, run.policy.seed, fan)
        _append(con, "steps.forecasts", said["forecasts"], past, ["window_id", "symbol", "decision_at"])
        for table, keys in OF_WINDOWS.items():
            _append(con, f"steps.{table}", said[table], read(f"steps.{table}", of_learner), keys)
        _estimate_overfit(con, examples, signals, windows, learner, run, fan)


def count_trials(run: Run, macros: Path) -> int:
    """Record every configuration that is evaluated for the first time; return how many there ever were.

    Called as soon as they are evaluated, before anything is made of what they show. `macros` has the signals.
    """
    from python_steps.record_trials import fresh_configurations, fresh_tuned, record, tried_under

    clock = run.policy.clock
    with _connected(run) as con:
        read = _reader(con)
        strategies, symbols = read("strategies"), _universe(read("assets"), run.policy)["symbol"].tolist()
        per_year = float(read("clocks", lambda t: t.clock == clock)["decisions_per_year"].iloc[0])
        known = set(read("steps.trials", lambda t: t.batch_id <= run.batch_until)["config_hash"])
        for plan in run.policy.laid_plans:
            mine = tried_under(strategies, plan, is_compared=plan != run.policy.plan)
            fresh = fresh_configurations(mine, known, clock=clock, plan=plan, macros=macros)
            tuned = read("steps.tuning_trials", lambda t, plan=plan: (t.clock == clock) & (t.plan == plan))
            fresh = pd.concat([fresh, fresh_tuned(tuned, known, clock=clock, plan=plan)])
            if fresh.empty:
                continue
            pnl, windows = _tried(con, run, plan, fresh["strategy"].tolist(), symbols)
            rows = record(
                fresh,
                pnl,
                clock=clock,
                plan=plan,
                test_from=windows["test_from"].min() if len(windows) else None,
                batch_id=run.batch_until,
                run_id=run.run_id,
                as_of=run.as_of,
                decisions_per_year=per_year,
            )
            warehouse.write(con, "steps.trials", rows)
            known |= set(rows["config_hash"])
    return len(known)


def _tried(
    con: "duckdb.DuckDBPyConnection", run: Run, plan: str, strategies: list[str], symbols: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Profits of strategies, and the windows of a plan."""
    clock = run.policy.clock
    pnl = warehouse.read(
        con,
        "booked_pnl",
        columns=["strategy", "symbol", "decision_at", "status", "net_return"],
        where=lambda t: (t.clock == clock) & t.strategy.isin(strategies) & t.symbol.isin(symbols),
    )
    windows = warehouse.read(
        con, "walk_forward_windows", where=lambda t: (t.clock == clock) & (t.plan == plan)
    )
    return pnl, windows


def weigh(run: Run, decisions: pd.DataFrame, trials: int, fan: Fan = IN_TURN) -> None:
    """Decide which strategies to believe, of the plan decisions are made under."""
    from python_steps.belief_inputs import WeighInputs
    from python_steps.weigh_strategies import weigh as judge

    clock, plan = run.policy.clock, run.policy.plan
    with _connected(run) as con:
        read = _reader(con)
        strategies = read("strategies")
        strategies = strategies[strategies["plan"].isna() | (strategies["plan"] == plan)]
        strategies = chosen(strategies, run.policy)
        mine = strategies["strategy"].tolist()
        assets = _universe(read("assets"), run.policy)
        symbols = assets["symbol"].tolist()
        per_year = float(read("clocks", lambda t: t.clock == clock)["decisions_per_year"].iloc[0])
        pnl = read(
            "booked_pnl",
            lambda t: (t.clock == clock) & t.strategy.isin(mine) & t.symbol.isin(symbols),
            PROFITS,
        )
        windows = read("walk_forward_windows", lambda t: (t.clock == clock) & (t.plan == plan))
        inputs = WeighInputs(
            decisions=decisions,
            assets=assets,
            strategy_pnl=_known_when_listed(pnl, assets),
            positions=_listed(
                read(
                    "positions",
                    lambda t: (t.clock == clock) & t.strategy.isin(mine) & t.symbol.isin(symbols),
                ),
                assets,
            ),
            windows=windows,
            window_metrics=_known_when_listed(
                read(
                    "window_metrics",
                    lambda t: (
                        (t.clock == clock) & (t.plan == plan) & t.strategy.isin(mine) & t.symbol.isin(symbols)
                    ),
                    SHARPES,
                ),
                assets,
            ),
            regimes=read("regimes", lambda t: (t.clock == clock) & (t.detector == run.policy.detector)),
            fitted=frozenset(strategies.loc[strategies["kind"] == "learner", "strategy"]),
            variant_of=dict(strategies.dropna(subset="variant_of")[["strategy", "variant_of"]].to_numpy()),
            past_weights=read("steps.strategy_weights", lambda t: t.portfolio == run.portfolio),
            past_ensembles=read("steps.ensemble_weights", lambda t: t.portfolio == run.portfolio),
        )
        told = (inputs, run.policy, run.portfolio, run.run_id, per_year, trials)
        _write_all(con, judge(*told, fan))


def chosen(strategies: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Rows of `strategies` that a policy names: others are in the table because another policy does.

    Of a signal or learner it is the one that may be short where shorts are allowed, else the one that is not.
    """
    names = {"signal": policy.signals, "learner": policy.learners, "constant": "all"}
    is_named = [
        names[kind] == "all" or source in names[kind]
        for kind, source in zip(strategies["kind"], strategies["source"], strict=True)
    ]
    is_tried = strategies["variant_of"].isna() | policy.variants
    is_twin = strategies["direction"] == "both"
    is_allowed = (strategies["kind"] == "constant") | (is_twin == policy.allow_shorts)
    return strategies[np.array(is_named, dtype=bool) & is_tried & is_allowed]


def tell_held(run: Run, decisions: pd.DataFrame) -> None:
    """Keep what the run was told is held, as of the newest of its decisions, unless that was told before."""
    if not run.holdings or decisions.empty:
        return
    at = decisions["decision_at"].max()
    weights = {symbol: weight for symbol, weight in sorted(run.holdings.items()) if symbol != CASH}
    rows = pd.DataFrame(
        {
            "portfolio": run.portfolio,
            "decision_at": at,
            "symbol": [*weights, CASH],
            "weight": [*weights.values(), 1 - math.fsum(weights.values())],
            "run_id": run.run_id,
        }
    )
    with _connected(run) as con:
        past = warehouse.read(con, "raw.holdings", where=lambda t: t.portfolio == run.portfolio)
        if at not in set(past["decision_at"]):
            warehouse.write(con, "raw.holdings", rows)


def allocate_all(
    runs: Sequence[Run], decisions: Sequence[pd.DataFrame], fan: Fan, *, is_explained: bool
) -> None:
    """Decide what to hold, for each portfolio: no decision hangs on one of another portfolio."""
    from python_steps.allocate_exposures import Asked, answer_for

    if len(runs) == 1:
        allocate(runs[0], decisions[0], is_explained, fan)
        return
    with _connected(runs[0]) as con:
        asked = (
            Asked(*allocation_inputs(con, run, rows), run.policy, run.portfolio, run.run_id, is_explained)
            for run, rows in zip(runs, decisions, strict=True)
        )
        cost = DECIDING * max(map(len, decisions))
        for tables in fan("Portfolios allocated", answer_for, asked, len(runs), cost=cost, most=1):
            _write_all(con, tables)


def allocate(run: Run, decisions: pd.DataFrame, is_explained: bool = True, fan: Fan = IN_TURN) -> None:
    """Decide what to hold, decision by decision."""
    from python_steps.allocate_exposures import allocate as decide

    with _connected(run) as con:
        inputs, per_year = allocation_inputs(con, run, decisions)
        told = (inputs, run.policy, run.portfolio, run.run_id, per_year)
        _write_all(con, decide(*told, is_explained=is_explained, fan=fan))


def _write_all(con: "duckdb.DuckDBPyConnection", tables: Mapping[str, pd.DataFrame]) -> None:
    for table, rows in tables.items():
        warehouse.write(con, f"steps.{table}", rows)


def allocation_inputs(
    con: "duckdb.DuckDBPyConnection", run: Run, decisions: pd.DataFrame
) -> tuple["AllocationInputs", float]:
    """What the walk over these decisions reads, and how many decisions its clock has a year."""
    from python_steps.allocation_inputs import AllocationInputs

    clock, portfolio = run.policy.clock, run.portfolio
    read = _reader(con)
    per_year = float(read("clocks", lambda t: t.clock == clock)["decisions_per_year"].iloc[0])
    inputs = AllocationInputs(
        decisions=decisions,
        assets=read("assets").rename(columns={"membership_known_at": "known_at"}),
        marks=read("marks", lambda t: t.clock == clock),
        decision_returns=read("decision_returns", lambda t: t.clock == clock),
        order_fills=read("order_fills", lambda t: t.clock == clock),
        data_quality=read("data_quality", lambda t: t.portfolio == portfolio),
        market_conditions=read("market_conditions", lambda t: t.portfolio == portfolio),
        expected_returns=read("expected_returns", lambda t: t.portfolio == portfolio),
        regimes=read("regimes", lambda t: (t.clock == clock) & (t.detector == run.policy.detector)),
        confidences=read("confidences", lambda t: t.portfolio == portfolio),
        late_actions=read("late_actions"),
        market_impacts=read("market_impacts", lambda t: t.clock == clock),
        resets=read("raw.resets", lambda t: t.portfolio == portfolio),
        past={name: read(f"steps.{name}", lambda t: t.portfolio == portfolio) for name in ALLOCATED},
        holdings=read("raw.holdings", lambda t: t.portfolio == portfolio),
        borrow_rates=read("asset_costs", lambda t: t.clock == clock, ["symbol", "borrow_rate"]),
    )
    return inputs, per_year


def bootstrap(run: Run, fan: Fan = IN_TURN) -> int:
    """Draw the intervals of every record that has none yet, and return how many rows that made."""
    from python_steps.bootstrap_intervals import (
        OWN,
        benchmark_records,
        ensemble_records,
        portfolio_records,
        strategy_records,
    )
    from python_steps.bootstrap_intervals import bootstrap as draw

    clock, plan = run.policy.clock, run.policy.plan
    with _connected(run) as con:
        read = _reader(con)
        windows = read("walk_forward_windows", lambda t: (t.clock == clock) & (t.plan == plan))
        strategies = read("strategies")
        strategies = strategies[strategies["plan"].isna() | (strategies["plan"] == plan)]
        mine = strategies["strategy"].tolist()
        records = strategy_records(
            read(
                "group_returns",
                lambda t: (t.clock == clock) & (t.scenario == "plain") & t.strategy.isin(mine),
            ),
            read("group_spans", lambda t: (t.clock == clock) & (t.plan == plan) & (t.span == "record")),
            windows[windows["is_disjoint"]],
        )
        returns = read("portfolio_returns", lambda t: t.portfolio == run.portfolio)
        ensembles = ensemble_records(
            read("ensemble_returns", lambda t: t.portfolio == run.portfolio),
            windows[windows["is_disjoint"]],
            run.portfolio,
            run.policy.weights.method,
        )
        benchmarks = benchmark_records(
            read("benchmark_returns", lambda t: t.portfolio == run.portfolio),
            read("portfolio_scenarios", lambda t: (t.portfolio == run.portfolio) & (t.scenario == OWN)),
            windows[windows["is_disjoint"]],
            run.portfolio,
        )
        rows = draw(
            chain(records, portfolio_records(returns, windows, run.portfolio), ensembles, benchmarks),
            read("steps.metric_intervals", lambda t: (t.clock == clock) & (t.plan == plan)),
            clock=clock,
            plan=plan,
            run_id=run.run_id,
            as_of=run.as_of,
            decisions_per_year=float(
                read("clocks", lambda t: t.clock == clock)["decisions_per_year"].iloc[0]
            ),
            fan=fan,
        )
        return warehouse.write(con, "steps.metric_intervals", rows)


def _estimate_overfit(
    con: "duckdb.DuckDBPyConnection",
    examples: pd.DataFrame,
    signals: "Signals",
    windows: pd.DataFrame,
    learner: "Learner",
    run: Run,
    fan: Fan,
) -> None:
    """Cross-validate a learner in one window a year, where that has not been done."""
    from python_steps.estimate_overfit import estimate, yearly

    wanted = yearly(windows)
    done = warehouse.read(con, "steps.cpcv_metrics", where=lambda t: t.learner == learner.name)
    wanted = wanted.merge(done[["clock", "plan", "window_id"]].drop_duplicates(), how="left", indicator=True)
    wanted = wanted[wanted["_merge"] == "left_only"]
    rows = estimate(examples, signals, wanted, learner, run.run_id, run.policy.seed, fan)
    warehouse.write(con, "steps.cpcv_metrics", rows)


def _unfinished(windows: pd.DataFrame, examples: pd.DataFrame, past: pd.DataFrame) -> pd.DataFrame:
    """Windows with an example that has no forecast yet."""
    keys = ["window_id", "symbol", "decision_at"]
    merged = examples[keys].merge(past[keys], how="left", indicator=True)
    missing = merged.loc[merged["_merge"] == "left_only", "window_id"].unique()
    return windows[windows["window_id"].isin(missing)]


def _append(
    con: "duckdb.DuckDBPyConnection", table: str, rows: pd.DataFrame, past: pd.DataFrame, keys: list[str]
) -> None:
    """Write the rows whose key is new: what was said once is never said again."""
    if rows.empty:  # without rows, columns have no type to compare keys by
        return
    merged = rows.merge(past[keys].assign(is_said=True), how="left", on=keys)
    warehouse.write(con, table, rows[merged["is_said"].isna().to_numpy()])


def _listed(rows: pd.DataFrame, assets: pd.DataFrame) -> pd.DataFrame:
    """Rows of decisions from which an asset counts in sums over assets."""
    listed_at = rows["symbol"].map(assets.set_index("symbol")["listed_at"])
    return rows[(rows["decision_at"] >= listed_at).to_numpy()]


def _known_when_listed(rows: pd.DataFrame, assets: pd.DataFrame) -> pd.DataFrame:
    """Rows of the past as sums over assets may use them: those of an asset that came late, from then on."""
    listed_at = rows["symbol"].map(assets.set_index("symbol")["listed_at"])
    return rows.assign(known_at=rows["known_at"].where(rows["known_at"] >= listed_at, listed_at))


def _universe(assets: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    wanted = assets[assets["asset_class"].isin(policy.universe.asset_classes)]
    if policy.universe.symbols is not None:
        wanted = wanted[wanted["symbol"].isin(policy.universe.symbols)]
    return wanted


def _each(step: Callable[..., object], *columns: Iterable[Any]) -> None:
    """A step for each run, with what belongs to it."""
    for values in zip(*columns, strict=False):
        step(*values)


def _downstream(tables: tuple[str, ...]) -> list[str]:
    return [f"source:portfolio_warehouse.steps.{table}+" for table in tables]


def _reader(con: "duckdb.DuckDBPyConnection") -> Callable[..., pd.DataFrame]:
    def read(
        table: str, where: Callable[[Any], Any] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        return warehouse.read(con, table, columns, where)

    return read


def _counts(run: Run, *tables: str) -> dict[str, int]:
    with _connected(run) as con:
        return {
            table.split(".")[-1]: con.execute(f"select count(*) from {table}").fetchall()[0][0]
            for table in tables
        }


@contextmanager
def _connected(run: Run) -> Iterator["duckdb.DuckDBPyConnection"]:
    con = warehouse.connect(run.file)
    try:
        yield con
    finally:
        con.close()
