"""A published warehouse of four assets and four decisions, made by hand: enough for what is read from it."""

import datetime as dt
from pathlib import Path

import duckdb
import pandas as pd

from flows.publish import published
from python_steps import policy, warehouse

AS_OF = dt.datetime(2026, 1, 28, 15)
DECISIONS = [dt.datetime(2026, 1, day, 14) for day in (23, 26, 27, 28)]
CLASSES = {"BTC-USD": "crypto", "ETH-USD": "crypto", "AAPL": "equity", "EUR-USD": "fx"}
WEIGHTS = {"BTC-USD": 0.15, "AAPL": 0.2, "EUR-USD": 0.1, "ETH-USD": 0.0, "CASH": 0.55}
SHARES = {"fast": 0.75, "ridge": 0.25}  # of each weight, by strategy
NET_RETURNS = [0.0, 0.02, -0.01, 0.03]
PUBLISHED = (
    "strategy_gates",
    "overfit_metrics",
    "strategy_weights",
    "expected_returns",
    "target_exposures",
    "weight_waterfall",
    "allocation_log",
    "stop_conditions",
    "metric_intervals",
    "reality_checks",
    "regimes",
    "weighting_regrets",
    "risk_contributions",
    "holdings_taken",
    "confidences",
)
PLANS = {"default": (252, 63, 21), "expanding": (252, 63, 63), "short": (126, 21, 21)}
RECORDED = dt.datetime(2025, 12, 1, 14)


def publish_small_warehouse(folder: Path, *, is_stopped: bool = False) -> Path:
    """Write `published.duckdb` into a folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    con = warehouse.connect(published(folder))
    for schema in ("raw", "steps"):
        con.execute(f"create schema {schema}")
    for table, columns in warehouse.declared_columns().items():
        con.execute(f"create table {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    _tell(con)
    for at, net_return in zip(DECISIONS, NET_RETURNS, strict=True):
        _decide(con, at, net_return, is_stopped=is_stopped and at == DECISIONS[-1])
    _evaluate(con)
    _detect(con)
    _explain(con)
    for table in PUBLISHED:
        con.execute(f"create table main.{table} as from steps.{table}")
    con.execute("alter table main.allocation_log add column level integer default 0")
    con.execute(
        "update main.allocation_log set level = 2 where decision_at = $1",
        [DECISIONS[-1] if is_stopped else None],
    )
    con.execute(
        "create table main.portfolio_returns as select portfolio, decision_at, gross_return, cost,"
        " net_return, nav, drawdown, turnover from steps.allocation_log"
    )
    con.close()
    return published(folder)


def _tell(con: duckdb.DuckDBPyConnection) -> None:
    _, merged = policy.load("global")
    row = {"batch_id": 1, "portfolio": "global", "policy_hash": policy.digest(merged)}
    warehouse.write(con, "raw.policies", pd.DataFrame([row | {"policy_json": policy.to_json(merged)}]))
    hashes = {f"{name}_hash": name for name in ("study", "lock", "input")}
    run = {"run_id": "first", "run_number": 1, "portfolio": "global", "as_of": AS_OF, "batch_until": 1}
    run |= hashes | {
        "policy_hash": row["policy_hash"],
        "code_version": "code",
        "holdings": "{}",
        "seed": 1,
        "started_at": AS_OF,
    }
    ends = dict.fromkeys(
        ["trials", "finished_at", "outcome", "decisions_added", "decisions_hash", "chain_hash"]
    )
    warehouse.write(con, "raw.runs", pd.DataFrame([run | ends]))
    adjustment = ["splits" if kind == "equity" else "none" for kind in CLASSES.values()]
    tables = {
        "clocks": pd.DataFrame(
            {"clock": ["global"], "decisions_per_year": [261.0], "cost_schedule": ["default"]}
        ),
        "costs": pd.DataFrame(
            {
                "cost_schedule": "default",
                "asset_class": ["crypto", "equity", "fx"],
                "fee_bps": [10.0, 1.0, 0.5],
                "slippage_bps": [5.0, 5.0, 1.0],
            }
        ),
        "assets": pd.DataFrame(
            {"symbol": list(CLASSES), "asset_class": list(CLASSES.values()), "adjustment": adjustment}
        ),
        "memberships": pd.DataFrame(
            {"symbol": list(CLASSES), "member_until": pd.NaT, "until_at": pd.NaT, "known_at": DECISIONS[0]}
        ),
        "walk_forward_plans": pd.DataFrame(
            [
                {"plan": plan, "train": train, "test": test, "step": step, "embargo": 5}
                for plan, (train, test, step) in PLANS.items()
            ]
        ),
        "decisions": pd.DataFrame(
            {
                "portfolio": "global",
                "clock": "global",
                "decision_at": DECISIONS,
                "is_backtest": [at != DECISIONS[-1] for at in DECISIONS],
            }
        ),
        "data_quality": pd.DataFrame(
            {
                "portfolio": "global",
                "decision_at": DECISIONS[-1],
                "symbol": list(CLASSES),
                "is_excluded": [symbol == "ETH-USD" for symbol in CLASSES],
                "reason": ["2 hours late" if symbol == "ETH-USD" else "none" for symbol in CLASSES],
                "missing_rate": 0.0,
                "consecutive_missing": 0,
                "staleness_hours": [2.0 if symbol == "ETH-USD" else 0.0 for symbol in CLASSES],
                "flags": ["late" if symbol == "ETH-USD" else "" for symbol in CLASSES],
            }
        ),
        "decision_bars": pd.DataFrame(
            [
                {"clock": "global", "symbol": symbol, "decision_at": at}
                | {
                    "session_date": at.date() - dt.timedelta(days=1),
                    "bar_known_at": at - dt.timedelta(hours=2),
                }
                for symbol in CLASSES
                for at in DECISIONS
            ]
        ),
    }
    for table, frame in tables.items():
        _create(con, table, frame)
    _quarantine(con)
    con.execute("alter table main.decisions add rebalance_date date")
    con.execute("update main.decisions set rebalance_date = decision_at::date + 1")


def _quarantine(con: duckdb.DuckDBPyConnection) -> None:
    """A bar of one vendor, and two rows of it set apart; a third is told after the decision's run."""
    at = {"opened_at": DECISIONS[-1], "closed_at": DECISIONS[-1], "available_at": DECISIONS[-1]}
    row = {"batch_id": 1, "payload_number": 1, "row_number": 1, "symbol": "BTC-USD", "vendor": "binance"}
    row |= {"session_date": DECISIONS[-1].date(), "recorded_at": AS_OF, "known_at": DECISIONS[-1]}
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)
    warehouse.write(con, "raw.bars", pd.DataFrame([row | at | prices | {"version": 1}]))
    told = {"reason": "spike", "detail": "d", "row_json": "{}", "source": "s", "is_suspect": False}
    later = {"row_number": 3, "known_at": AS_OF + dt.timedelta(days=1)}
    rows = [row | told, row | told | {"row_number": 2}, row | told | later]
    _create(con, "quarantined_bars", pd.DataFrame(rows))


def _create(con: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame) -> None:
    con.register("rows", frame)
    con.execute(f"create table main.{table} as from rows")
    con.unregister("rows")


def _evaluate(con: duckdb.DuckDBPyConnection) -> None:
    """Scenarios of each decision, and records of two strategies as they were known two months before."""
    scenarios = {"plain": 1, "costs_2x": 2, "costs_3x": 3, "fill_to_fill": 1, "delayed_bar": 4}
    periods = [
        {"portfolio": "global", "scenario": scenario, "decision_at": at, "known_at": at}
        | {"net_return": net_return - (times - 1) * 0.001, "is_active": at != DECISIONS[0]}
        | {"cost": times * 0.001}
        for scenario, times in scenarios.items()
        for at, net_return in zip(DECISIONS, NET_RETURNS, strict=True)
    ]
    _create(con, "portfolio_scenarios", pd.DataFrame(periods))
    kinds = {"fast": ("signal", None), "ridge": ("learner", "default"), "ridge_short": ("learner", "short")}
    strategies = [
        {"strategy": name, "kind": kind, "source": name.split("_")[0], "plan": plan}
        for name, (kind, plan) in kinds.items()
    ]
    _create(con, "strategies", pd.DataFrame(strategies))
    record = {"clock": "global", "asset_group": "all", "windows": 9, "observations": 567, "trades": 42}
    record |= {"from_at": dt.datetime(2024, 1, 1, 14), "until_at": RECORDED, "known_at": RECORDED}
    record |= {"sharpe": 0.5, "sharpe_error": 0.4, "max_drawdown": -0.1, "undefined": None, "window_id": 24}
    fast = {"plan": "default", "strategy": "fast", "scenario": "plain"}
    none = {"sharpe": None, "undefined": "sharpe: returns do not deviate; sortino: no losing decision"}
    later = {"sharpe": 9.9, "known_at": AS_OF, "window_id": 27}
    records = [
        record | fast,
        record | fast | {"window_id": 21, "sharpe": 7.7},
        record | fast | later,
        record | fast | {"scenario": "costs_2x", "sharpe": 0.25},
        record | fast | {"plan": "short", "sharpe": 0.75},
        record | fast | {"strategy": "ridge"} | none,
        record | fast | {"plan": "short", "strategy": "ridge_short", "sharpe": -0.5},
    ]
    _create(con, "test_record", pd.DataFrame(records))
    _judge_signals(con)
    _compare_weightings(con)
    _measure_risk(con)
    drawn = {"clock": "global", "plan": "default", "asset_group": "all", "window_id": 24, "metric": "sharpe"}
    drawn |= {"estimate": 0.5, "lower": -0.25, "upper": 1.25, "undefined": None, "level": 0.95, "draws": 500}
    drawn |= {"block_length": 5.0, "observations": 567, "from_at": record["from_at"], "until_at": RECORDED}
    drawn |= {"known_at": RECORDED, "run_id": "first"}
    none = {"estimate": None, "lower": None, "upper": None, "undefined": "the returns have no deviation"}
    intervals = [
        drawn | {"kind": "strategy", "subject": "fast"},
        drawn | {"kind": "strategy", "subject": "fast", "window_id": 27, "known_at": AS_OF, "upper": 9.9},
        drawn | {"kind": "strategy", "subject": "ridge"} | none,
        drawn | {"kind": "portfolio", "subject": "global", "estimate": 0.75, "block_length": 6.54321},
        drawn | {"kind": "portfolio", "subject": "global", "metric": "expected_return"} | none,
        drawn | {"kind": "portfolio", "subject": "other", "window_id": 25, "upper": 8.8},
        drawn | {"kind": "ensemble", "subject": "global: hedge - softmax"},
        drawn | {"kind": "benchmark", "subject": "global: equal_weight", "upper": 1.5},
        drawn | {"kind": "ensemble", "subject": "other: hedge - softmax", "window_id": 25, "upper": 8.8},
    ]
    warehouse.write(con, "steps.metric_intervals", pd.DataFrame(intervals))


def _compare_weightings(con: duckdb.DuckDBPyConnection) -> None:
    """Two ensembles that hold nothing at first, and whose last profit is known after the decision."""
    told = zip(DECISIONS, [*DECISIONS[1:], AS_OF], NET_RETURNS, strict=True)
    rows = [
        {"portfolio": "global", "method": method, "decision_at": at, "net_return": times * net_return}
        | {"cost": 0.001, "invested": 0.0 if at == DECISIONS[0] else 0.5, "known_at": known_at}
        for at, known_at, net_return in told
        for method, times in (("softmax", 1), ("hedge", 2))
    ]
    _create(con, "ensemble_returns", pd.DataFrame(rows))
    made = {"portfolio": "global", "method": "hedge", "strategies": 3, "known_at": AS_OF, "run_id": "first"}
    regrets = [
        made | {"decision_at": at, "symbol": symbol, "spans": 9, "regret": regret, "bound": 20.0}
        for at in DECISIONS
        for symbol, regret in (("AAPL", 1.5), ("EUR-USD", -0.5))
    ]
    warehouse.write(con, "steps.weighting_regrets", pd.DataFrame(regrets))


def _measure_risk(con: duckdb.DuckDBPyConnection) -> None:
    """Costs, risk, stress and capacity of each decision; benchmarks whose last profit is known after it."""
    of = {"portfolio": "global"}
    made = [of | {"decision_at": at, "known_at": at} for at in DECISIONS]
    kinds = {"fee": 0.0001, "slippage": 0.0003, "impact": 0.0}
    costs = [row | {"kind": kind, "cost": cost} for row in made for kind, cost in kinds.items()]
    _create(con, "portfolio_costs", pd.DataFrame(costs))
    measures = {"volatility": (0.11, None), "mean_correlation": (None, "one asset alone")}
    risk = [
        row | {"measure": name, "value": value, "undefined": why}
        for row in made
        for name, (value, why) in measures.items()
    ]
    _create(con, "portfolio_risk", pd.DataFrame(risk))
    shock = {"scenario": "equity_down_20", "profit": -0.04, "from_at": pd.NaT, "until_at": pd.NaT}
    worst = {"scenario": "worst_1", "profit": -0.021, "from_at": RECORDED, "until_at": RECORDED}
    _create(con, "stress_tests", pd.DataFrame([row | one for row in made for one in (shock, worst)]))
    judged = {"measure": "var_95", "observations": 100, "exceedances": 7, "expected": 5.0}
    judged |= {"likelihood_ratio": 0.76, "is_rejected": False}
    backtests = [judged | row for row in made]
    backtests += [judged | made[-1] | {"exceedances": 99, "decision_at": AS_OF, "known_at": AS_OF}]
    _create(con, "var_backtests", pd.DataFrame(backtests))
    earned = {"annual_return": 0.1, "annual_profit": 1e5, "sharpe": 0.9, "assets_under_management": 1e6}
    limits = {"observations": 4, "measured": 0.25, "peak_assets": 4e8, "half_sharpe_assets": 2e8}
    limits |= {"undefined": None}
    _create(con, "capacity", pd.DataFrame([row | earned | {"span": "record"} for row in made]))
    _create(con, "capacity_limits", pd.DataFrame([row | limits | {"span": "record"} for row in made]))
    told = zip(DECISIONS, [*DECISIONS[1:], AS_OF], NET_RETURNS, strict=True)
    rows = [
        of
        | {"benchmark": "equal_weight", "decision_at": at, "net_return": 3 * net_return, "cost": 0.001}
        | {"invested": 1.0, "known_at": known_at}
        for at, known_at, net_return in told
    ]
    _create(con, "benchmark_returns", pd.DataFrame(rows))


def _judge_signals(con: duckdb.DuckDBPyConnection) -> None:
    """Records of two signals over two horizons, in windows of which every third tiles time."""
    of = {"clock": "global", "plan": "default", "known_at": RECORDED}
    windows = [of | {"window_id": number, "is_disjoint": number % 3 == 0} for number in (21, 22, 24, 27)]
    _create(con, "walk_forward_windows", pd.DataFrame(windows))
    record = of | {"span": "record", "window_id": 24, "windows": 9, "decisions": 567, "ic_t": 1.5}
    record |= {"ic": 0.02, "ic_lower": -0.01, "ic_upper": 0.05, "rank_ic": 0.03, "hit_ratio": 0.52}
    record |= {"hit_ratio_by_chance": 0.5, "undefined": None}
    none = {"ic_lower": None, "ic_upper": None, "undefined": "interval: fewer than three windows"}
    quality = [
        record | {"signal": "fast", "horizon": 5},
        record | {"signal": "fast", "horizon": 5, "window_id": 21, "ic": 0.7},
        record | {"signal": "fast", "horizon": 5, "window_id": 27, "ic": 0.9, "known_at": AS_OF},
        record | {"signal": "fast", "horizon": 5, "window_id": 24, "span": "test", "ic": 0.8},
        record | {"signal": "fast", "horizon": 21, "ic": 0.01},
        record | {"signal": "slow", "horizon": 5, "windows": 2} | none,
    ]
    _create(con, "signal_quality", pd.DataFrame(quality))
    moves = [
        of | {"signal": "fast", "window_id": 21, "pairs": 100, "mean_change": 0.1, "autocorrelation": 0.9},
        of | {"signal": "fast", "window_id": 22, "pairs": 100, "mean_change": 0.9, "autocorrelation": 0.1},
        of | {"signal": "fast", "window_id": 24, "pairs": 300, "mean_change": 0.2, "autocorrelation": 0.7},
    ]
    _create(con, "signal_turnover", pd.DataFrame(moves))
    alike = [
        of
        | {"signal": "fast", "other_signal": "slow", "window_id": 21, "readings": 100, "correlation": -0.8},
        of
        | {"signal": "fast", "other_signal": "slow", "window_id": 24, "readings": 300, "correlation": -0.4},
        of
        | {"signal": "fast", "other_signal": "third", "window_id": 24, "readings": 300, "correlation": 0.2},
    ]
    _create(con, "signal_correlations", pd.DataFrame(alike))


def _detect(con: duckdb.DuckDBPyConnection) -> None:
    """Two detectors at the last decision, of which one knows nothing yet, and what another clock says."""
    of = {"clock": "global", "decision_at": DECISIONS[-1], "known_at": DECISIONS[-1], "run_id": "first"}
    names = [f"{regime}_probability" for regime in ("risk_on", "neutral", "risk_off")]
    calm = of | {"detector": "calm", "regime": "risk_on", "probability": 0.7}
    calm |= dict(zip(names, (0.7, 0.2, 0.1), strict=True))
    young = (
        of | {"detector": "young", "regime": "neutral", "probability": 1 / 3} | dict.fromkeys(names, 1 / 3)
    )
    rows = [calm, young, calm | {"clock": "other", "regime": "risk_off"}]
    warehouse.write(con, "steps.regimes", pd.DataFrame(rows))
    flips = of | {"detector": "calm", "decisions": 300, "flips": 4, "flips_per_year": 3.4916387}
    _create(con, "regime_flips", pd.DataFrame([flips, flips | {"clock": "other", "flips_per_year": 9.9}]))
    pair = of | {"detector": "calm", "other_detector": "old", "decisions": 300, "agreed": 150}
    _create(con, "regime_agreement", pd.DataFrame([pair | {"agreement": 0.5}]))


def _decide(con: duckdb.DuckDBPyConnection, at: dt.datetime, net_return: float, *, is_stopped: bool) -> None:
    made = {"portfolio": "global", "decision_at": at, "known_at": at, "run_id": "first"}
    is_first = at == DECISIONS[0]
    rows = [
        made
        | {"symbol": symbol, "weight": weight, "previous_weight": float(symbol == "CASH")}
        | {"held_units": 0.0 if is_first else weight, "target_units": weight, "mark_index": 1.0}
        | {"is_excluded": symbol == "ETH-USD", "excluded_for": int(symbol == "ETH-USD")}
        for symbol, weight in WEIGHTS.items()
    ]
    warehouse.write(con, "steps.target_exposures", pd.DataFrame(rows))
    log = {
        "allocator": "hierarchical_risk_parity",
        "variant": "paper 2016",
        "status": "solved",
        "fallback_mode": None,
        "reason": "solved",
    }
    log |= {
        "binding": '["asset AAPL"]',
        "conflicts": "[]",
        "conflict_set": "[]",
        "volatility": 0.11,
        "var_95": 0.025,
        "es_95": 0.034,
    }
    log |= {"turnover": 0.05, "gross_return": net_return, "cost": 0.0, "net_return": net_return, "nav": 1.04}
    log |= {"high_water_mark": 1.04, "drawdown": 0.0, "regime": "risk_on", "confidence": 0.78}
    warehouse.write(con, "steps.allocation_log", pd.DataFrame([made | log]))
    stop = {"condition": "drawdown", "value": -0.2 if is_stopped else None, "limit_value": -0.2}
    stop |= {"is_triggered": is_stopped, "is_latched": is_stopped, "latched_at": at if is_stopped else None}
    stop |= {"reset_by": None, "action": "cash" if is_stopped else "none"}
    warehouse.write(con, "steps.stop_conditions", pd.DataFrame([made | stop]))
    chances = {"psr": 0.9, "dsr": 0.8, "dsr_effective": 0.85, "luck_dsr": 0.82, "pbo": 0.1}
    chances |= {"min_track_record": 300.0, "effective_trials": 6.0, "trials": 14}
    chances |= {"min_backtest_length": 250.0, "observations": 500.0, "effective_observations": 280.0}
    overfit = [
        made | chances | {"strategy": name, "train_test_gap": gap, "cv_stability": stability}
        for name, gap, stability in [("all", None, 0.92), ("fast", 0.3, 0.9), ("ridge", 0.1, 0.8)]
    ]
    frame = pd.DataFrame(overfit).assign(regime_consistency=0.85)
    warehouse.write(con, "steps.overfit_metrics", frame)
    check = {"benchmark": "cash", "best": "fast", "mean_gain": 0.0002, "strategies": 2, "observations": 500}
    check |= {"block_length": 5.0, "reality_check": 0.2, "undefined": None}
    check |= {"spa_lower": 0.1, "spa_consistent": 0.15, "spa_upper": 0.18}
    warehouse.write(con, "steps.reality_checks", pd.DataFrame([made | check]))


def _explain(con: duckdb.DuckDBPyConnection) -> None:
    """What explains the last decision: a bar and its restatement, lineage, stages, gates and risk."""
    at = DECISIONS[-1]
    made = {"portfolio": "global", "decision_at": at, "known_at": at, "run_id": "first"}
    held = {symbol: weight for symbol, weight in WEIGHTS.items() if symbol != "CASH" and weight}
    landed = {"batch_id": 1, "run_id": "first", "vendor": "file", "as_of": AS_OF, "rows_quarantined": 1}
    landed |= {"rows_seen": 9, "rows_landed": 8, "loaded_at": AS_OF, "source": "bars.csv"}
    warehouse.write(
        con, "raw.batches", pd.DataFrame([landed | {"payload_number": 1, "payload_hash": "ab12" * 16}])
    )
    bars = [_bar(symbol, place, 1) for place, symbol in enumerate(CLASSES, 1)]
    warehouse.write(con, "raw.bars", pd.DataFrame([*bars, _bar("AAPL", 9, 2)]))
    refused = {"batch_id": 1, "payload_number": 1, "row_number": 7, "symbol": "AAPL", "vendor": "file"}
    refused |= {"reason": "high_below_low", "detail": "high 1, low 2", "row_json": "{}", "source": "bars.csv"}
    refused |= {"session_date": at.date(), "recorded_at": at, "known_at": at}
    warehouse.write(con, "raw.quarantined_bars", pd.DataFrame([refused]))
    parts = [
        (symbol, name, share * weight) for symbol, weight in held.items() for name, share in SHARES.items()
    ]
    lineage = [
        {"portfolio": "global", "decision_at": at, "known_at": at, "symbol": symbol, "strategy": name}
        | {"strategy_weight": 0.5, "position": 0.8, "expected_return": 0.0005, "contribution": contribution}
        | {"window_id": 24, "session_date": at.date() - dt.timedelta(days=1), "bar_known_at": at}
        | {"vendor": "file", "batch_id": 1, "payload_number": 1}
        | {"row_number": list(CLASSES).index(symbol) + 1}
        for symbol, name, contribution in parts
    ]
    _create(con, "exposure_lineage", pd.DataFrame(lineage))
    weights = [
        made | {"symbol": symbol, "strategy": name, "score": 0.4, "weight": 0.5, "position": 0.8}
        | {"expected_return": 0.0005}
        for symbol, name, _ in parts
    ]  # fmt: skip
    warehouse.write(con, "steps.strategy_weights", pd.DataFrame(weights))
    views = [
        made | {"symbol": symbol, "ensemble_view": 0.0004, "standard_error": 0.0001, "shrunk_view": 0.0003}
        for symbol in held
    ]
    warehouse.write(con, "steps.expected_returns", pd.DataFrame(views))
    warehouse.write(con, "steps.weight_waterfall", pd.DataFrame(_stages(made, held)))
    gates = {"is_pooled": False, "trades": 42, "max_drawdown": -0.1, "expected_net_return": 0.0001}
    gates |= {"windows": 9, "negative_windows": 2}
    judged = [
        made | gates | {"symbol": symbol, "strategy": name, "is_adopted": symbol in held}
        | {"reason": "adopted" if symbol in held else "drawdown 0.31 > 0.25"}
        for symbol in CLASSES
        for name in SHARES
    ]  # fmt: skip
    warehouse.write(con, "steps.strategy_gates", pd.DataFrame(judged))
    risk = [
        made | {"symbol": symbol, "contribution": 0.11 * weight / 0.45} for symbol, weight in held.items()
    ]
    warehouse.write(con, "steps.risk_contributions", pd.DataFrame(risk))
    sure = {"confidence": 0.78, "raw_probability": 0.8, "calibrated_probability": 0.78, "is_calibrated": True}
    sure |= {"resolved_spans": 60, "brier_score": 0.2, "brier_calibrated": 0.19}
    warehouse.write(con, "steps.confidences", pd.DataFrame([made | sure]))
    span = {"clock": "global", "plan": "default", "asset_group": "all", "scenario": "plain", "window_id": 24}
    span |= {"known_at": RECORDED, "max_drawdown": -0.1}
    sharpes = {"train": 0.9, "test": 0.5}
    spans = [
        span | {"strategy": name, "span": kind, "sharpe": sharpe}
        for name in SHARES
        for kind, sharpe in sharpes.items()
    ]
    _create(con, "group_metrics", pd.DataFrame(spans))


def _bar(symbol: str, row_number: int, version: int) -> dict[str, object]:
    at = DECISIONS[-1]
    day = at - dt.timedelta(days=1)
    bar = {"batch_id": 1, "payload_number": 1, "row_number": row_number, "symbol": symbol, "version": version}
    bar |= {"session_date": day.date(), "opened_at": day, "closed_at": day, "available_at": day}
    bar |= {"recorded_at": AS_OF, "known_at": at - dt.timedelta(hours=2), "vendor": "file", "volume": 100.0}
    return bar | {"open": 10.0, "high": 12.0, "low": 9.0, "close": 10.0 + version}


def _stages(made: dict[str, object], held: dict[str, float]) -> list[dict[str, object]]:
    """Six stages that add up to the weights."""
    names = ("risk_based", "views", "raw", "smoothed", "projected", "stops")
    rows = []
    for symbol, weight in held.items():
        after = [0.3, 0.25, weight + 0.05, weight, weight, weight]
        changes = [now - before for now, before in zip(after, [0.0, *after[:-1]], strict=True)]
        rows += [
            made | {"symbol": symbol, "stage": stage, "stage_number": number}
            | {"weight_change": changes[number - 1], "weight_after": after[number - 1]}
            for number, stage in enumerate(names, 1)
        ]  # fmt: skip
    return rows
