"""What every signal and learner earned on the sample after costs, how sure that is, after how many trials.

Run it with `python -m tests.evidence.signals` after `make rebalance`: it writes SIGNALS.md from what is
published.
"""

import sys
from pathlib import Path

import duckdb
import pandas as pd

PAGE = Path(__file__).parent / "SIGNALS.md"
PUBLISHED = Path(".warehouse/published.duckdb")
PORTFOLIO = "global"
YARDSTICK = "always_long"

# Records over all test spans that tile time, of the mean over all assets, beside the portfolio's last look.
RECORDS = """
    with
        records as (
            select * from main.test_record
            where plan = 'default' and asset_group = 'all'
            qualify window_id = max(window_id) over ()
        ),
        intervals as (
            select subject as strategy, lower, upper from main.metric_intervals
            where kind = 'strategy' and metric = 'sharpe' and plan = 'default' and asset_group = 'all'
            qualify row_number() over (partition by subject order by window_id desc) = 1
        ),
        qualities as (
            select * from main.signal_quality
            where plan = 'default' and span = 'record' and horizon = 1
            qualify row_number() over (partition by signal order by window_id desc) = 1
        ),
        judged as (
            select strategy, dsr from main.overfit_metrics
            where portfolio = $portfolio
            qualify row_number() over (partition by strategy order by decision_at desc) = 1
        ),
        forecasts as (
            select learner as strategy, avg(information_coefficient) as ic,
                stddev(information_coefficient) / sqrt(count(*)) as error
            from main.forecast_quality inner join main.walk_forward_windows using (clock, plan, window_id)
            where plan = 'default' and is_disjoint group by learner
        )
    select
        strategies.kind, strategies.family, strategies.strategy,
        plain.sharpe, intervals.lower, intervals.upper,
        twice.sharpe as twice, thrice.sharpe as thrice, late.sharpe as late, plain.trades,
        coalesce(qualities.ic, forecasts.ic) as ic,
        coalesce(qualities.ic_lower, forecasts.ic - 1.96 * forecasts.error) as ic_lower,
        coalesce(qualities.ic_upper, forecasts.ic + 1.96 * forecasts.error) as ic_upper,
        judged.dsr
    from main.strategies
    inner join records as plain on plain.strategy = strategies.strategy and plain.scenario = 'plain'
    inner join records as twice on twice.strategy = strategies.strategy and twice.scenario = 'costs_2x'
    inner join records as thrice on thrice.strategy = strategies.strategy and thrice.scenario = 'costs_3x'
    inner join records as late on late.strategy = strategies.strategy and late.scenario = 'delayed_bar'
    left join intervals on intervals.strategy = strategies.strategy
    left join qualities on qualities.signal = strategies.source and strategies.kind = 'signal'
    left join judged on judged.strategy = strategies.strategy
    left join forecasts on forecasts.strategy = strategies.strategy
    order by plain.sharpe desc
"""
ABOUT = """
    select max(decision_at)::date as until, (select max(trials) from main.runs) as trials,
        (select min(from_at)::date || ' to ' || max(until_at)::date from main.test_record
            where plan = 'default' and asset_group = 'all') as span,
        (select max(windows) from main.test_record where plan = 'default') as windows
    from main.decisions where portfolio = $portfolio
"""


def main(published: Path = PUBLISHED) -> None:
    """Write the page; raises OSError where nothing is published."""
    with duckdb.connect(published, read_only=True) as con:
        records = con.execute(RECORDS, {"portfolio": PORTFOLIO}).df()
        about = con.execute(ABOUT, {"portfolio": PORTFOLIO}).df().iloc[0]
    parts = [
        "# What every signal and learner earned",
        __doc__.split("\n\n")[0].replace("\n", " "),
        f"Portfolio `{PORTFOLIO}`, test spans of {about['span']} ({about['windows']} windows), mean over all"
        f" assets of the sample, long or flat, after costs; {about['trials']} trials. Sharpe is annual, with"
        " its 95 % interval by stationary block bootstrap; ×2 and ×3 with costs so many times as high; late"
        " with everything known a bar later. DSR is the deflated Sharpe ratio after all trials. IC is before"
        " costs, of one decision, with its 95 % interval (learners: mean over windows).",
        _words(records),
        "## Signals",
        _table(records[records["kind"] == "signal"]),
        "## Learners and the yardstick",
        _table(records[records["kind"] != "signal"]),
    ]
    PAGE.write_text("\n\n".join(parts) + "\n", "utf-8")


def _words(records: pd.DataFrame) -> str:
    yardstick = records.set_index("strategy").loc[YARDSTICK, "sharpe"]
    others = records[records["strategy"] != YARDSTICK]
    lead = (others["sharpe"] - yardstick).max()
    if others["dsr"].max() >= 0.95 or lead > (others["upper"] - others["lower"]).min():
        return f"A DSR of {others['dsr'].max():.2f} and a lead of {lead:.2f}: look for the mistake."
    skilled, wrong = others["ic_lower"] > 0, others["ic_upper"] < 0
    return (
        f"**In plain words.** To hold everything all the time (`{YARDSTICK}`) earned a Sharpe of"
        f" {yardstick:.2f} on these survivors of these years. Of {len(others)} others"
        f" {sum(others['sharpe'] > yardstick)} earned more, none by more than the width of an interval;"
        f" {sum(others['lower'] > 0)} have an interval above zero, which for a rule that is long half the"
        " time says little but that the market rose. What ranks assets rightly shows in the IC: its interval"
        f" lies above zero for {sum(skilled)} ({_names(others[skilled])}) and below for {sum(wrong)}"
        f" ({_names(others[wrong])}), where chance alone would give about {0.025 * len(others):.0f} each. No"
        " DSR reaches 0.95: after so many trials none of this is proven."
    )


def _names(records: pd.DataFrame) -> str:
    return ", ".join(f"`{name}`" for name in records["strategy"]) or "none"


def _table(records: pd.DataFrame) -> str:
    lines = [
        "| strategy | family | Sharpe | ×2 | ×3 | late | trades | DSR | IC |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.strategy} | {row.family} | {_with_bounds(row.sharpe, row.lower, row.upper, 2)}"
        f" | {row.twice:.2f} | {row.thrice:.2f} | {row.late:.2f} | {row.trades} | {row.dsr:.2f}"
        f" | {_with_bounds(row.ic, row.ic_lower, row.ic_upper, 3)} |"
        for row in records.itertuples()
    ]
    return "\n".join(lines)


def _with_bounds(value: float, lower: float, upper: float, places: int) -> str:
    if pd.isna(value):
        return "none"
    bounds = "" if pd.isna(lower) else f" [{lower:.{places}f}, {upper:.{places}f}]"
    return f"{value:.{places}f}{bounds}"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
