"""What the terminal shows at the end of a run: what to hold, why, and how far to believe it."""

import json
from collections.abc import Iterable
from typing import Any

import pandas as pd
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table

from flows.absences import absences
from flows.outputs import CASH, Evidence, both_sides, latched, overall, stamp
from flows.requests import RunResult
from flows.validation import portfolio_intervals, results, scenarios, validation_document

CHANGES_SHOWN = 5
METRICS = {
    "sharpe_ratio": ("Sharpe", ".2f"),
    "sortino_ratio": ("Sortino", ".2f"),
    "max_drawdown": ("drawdown", ".1%"),
    "win_rate": ("win rate", ".1%"),
}
HEADINGS = {
    "costs_2x": "costs x2",
    "costs_3x": "costs x3",
    "fill_to_fill": "by fills",
    "delayed_bar": "bar late",
    "delayed_day": "day late",
}
LEVELS = {1: "reduced", 2: "cash, with defensive assets where the policy names any", 3: "all out"}
CAPTION = "bar late and day late: older weights, order by order; compare them with by fills"


def show(evidence: Evidence, result: RunResult, console: Console | None = None) -> None:
    """Print the summary of a run."""
    (console or Console(highlight=False)).print(summary(evidence, result))


def summary(evidence: Evidence, result: RunResult) -> RenderableType:
    """The summary of a run, for rich to print."""
    lines = [*_headline(evidence, result), *_belief(evidence), *_stops(evidence), *_warnings(evidence)]
    files = [f"  {escape(str(file))}" for file in result.files]
    parts: list[RenderableType] = [lines[0], weights_table(evidence), class_lines(evidence), lines[1]]
    if len(evidence.past):
        parts.append(past_table(evidence))
    return Group(*parts, *lines[2:], "Files:", *files)


def weights_table(evidence: Evidence) -> Table:
    """Assets held or changed, largest weight first, CASH last."""
    table = Table("asset", "class", "weight", "change", title=f"Exposures of {evidence.portfolio}")
    for column in table.columns[2:]:
        column.justify = "right"
    rows = evidence.exposures[(evidence.exposures.weight != 0) | (evidence.exposures.previous_weight != 0)]
    is_cash = rows.symbol == CASH
    risky = rows[~is_cash].sort_values(["weight", "symbol"], ascending=[False, True])
    for row in pd.concat([risky, rows[is_cash]]).itertuples():
        change = row.weight - row.previous_weight
        table.add_row(escape(row.symbol), row.asset_class, f"{row.weight:.2%}", f"{change:+.2%}")
    return table


def class_lines(evidence: Evidence) -> str:
    """Totals by class, and why a class of the universe has no weight."""
    totals = evidence.exposures.groupby("asset_class").weight.sum()
    held = "By class: " + ", ".join(f"{name} {total:.1%}" for name, total in totals.items())
    if evidence.policy.allow_shorts:
        told = both_sides(evidence.exposures.set_index("symbol").weight.to_dict())
        held += f"; gross {told['gross']:.1%}, net {told['net']:.1%}"
    return "\n".join([held, *(f"No {name}: {escape(why)}" for name, why in absences(evidence).items())])


def past_table(evidence: Evidence) -> Table:
    """What the portfolio earned, how far that could be luck, and what costs and delays leave of it."""
    past, found = evidence.past, scenarios(evidence)
    span = f"{past.decision_at.iloc[0]:%Y-%m-%d} to {past.decision_at.iloc[-1]:%Y-%m-%d}"
    title = f"Past after costs: {len(past)} decisions, {span}, value {past.nav.iloc[-1]:.3f}"
    table = Table("", "as it was", "interval", *HEADINGS.values(), title=title, caption=CAPTION)
    for column in table.columns[1:]:
        column.justify = "right"
    plain = results(past, evidence.decisions_per_year)
    for metric, (label, form) in METRICS.items():
        interval = _interval(evidence) if metric == "sharpe_ratio" else ""
        others = [_formed(found[name][metric], form) for name in HEADINGS]
        table.add_row(label, _formed(plain[metric], form), interval, *others)
    return table


def _interval(evidence: Evidence) -> str:
    """Bounds of the Sharpe, for the record they were drawn from."""
    bounds = portfolio_intervals(evidence)["sharpe_ratio"]
    return f"{bounds['lower']:.2f} to {bounds['upper']:.2f}" if isinstance(bounds, dict) else "undefined"


def _formed(value: Any, form: str) -> str:
    return format(value, form) if isinstance(value, float) else "undefined"


def _headline(evidence: Evidence, result: RunResult) -> list[str]:
    what = {
        "done": f"{result.decisions_added} decisions added",
        "unchanged": "nothing new: no row was changed",
        "stopped": f"{result.decisions_added} decisions added, and a stop condition is in force",
    }[result.outcome]
    decision = (
        f"Decision of {stamp(evidence.decision_at)}, to hold from {evidence.rebalance_date.isoformat()}"
    )
    return [f"{decision} ({what})", f"Biggest changes: {_changes(evidence.exposures) or 'none'}"]


def _changes(exposures: pd.DataFrame) -> str:
    changes = (exposures.weight - exposures.previous_weight).set_axis(exposures.symbol).sort_index()
    ranked = changes[changes != 0].sort_values(key=abs, ascending=False, kind="stable").head(CHANGES_SHOWN)
    return ", ".join(f"{escape(str(symbol))} {change:+.2%}" for symbol, change in ranked.items())


def _belief(evidence: Evidence) -> list[str]:
    log = evidence.allocation
    lines = [
        f"Confidence {log['confidence']:.2f}, regime {log['regime']}, {log['allocator']}: {log['status']}",
        f"Expected volatility {log['volatility']:.1%} a year; limits that bind: {_names(log['binding'])}",
    ]
    if log["fallback_mode"]:
        lines.append(f"Fallback {log['fallback_mode']}: {escape(log['reason'])}")
    if len(evidence.overfit):
        chances = ", ".join(
            f"{name.upper()} {_text(overall(evidence.overfit, name))}" for name in ("dsr", "pbo")
        )
        lines.append(f"Trials counted: {evidence.overfit.trials.max()}; {chances}")
    charged = ", ".join(f"{row.asset_class} {row.bps:g}" for row in evidence.costs.itertuples())
    lines += [f"Costs charged, one way, in basis points: {charged}", *_interval_lines(evidence)]
    return lines + _benchmark_lines(evidence)


def _benchmark_lines(evidence: Evidence) -> list[str]:
    """The Sharpes beside the portfolio's, all measured in the same way."""
    found = {
        str(name): _formed(results(periods, evidence.decisions_per_year)["sharpe_ratio"], ".2f")
        for name, periods in evidence.benchmarks.groupby("benchmark")
    }
    own = found.pop("portfolio", None)
    others = ", ".join(f"{name} {sharpe}" for name, sharpe in found.items())
    return [] if own is None else [f"Sharpe by fills since something was held: {own}; {others}"]


def _interval_lines(evidence: Evidence) -> list[str]:
    bounds = portfolio_intervals(evidence)["sharpe_ratio"]
    if not isinstance(bounds, dict):
        return [f"Interval of the Sharpe: undefined ({bounds.reason})"]
    level, until = evidence.intervals.level.iloc[0], bounds["until"][:10]
    doubt = "; it holds 0, so the past may be luck" * bool(bounds["lower"] <= 0 <= bounds["upper"])
    return [f"Interval of the Sharpe: {level:.0%}, by block bootstrap of the decisions to {until}{doubt}"]


def _stops(evidence: Evidence) -> list[str]:
    stops = latched(evidence)
    if stops.empty:
        return ["Stop conditions: none"]
    level = int(evidence.allocation["level"])
    return [f"Level {level} of 3: {LEVELS[level]}"] + [
        f"Stop in force: {stop.condition} ({_text(stop.value)}, limit {stop.limit_value:g}): {stop.action}"
        for stop in stops.itertuples()
    ]


def _warnings(evidence: Evidence) -> Iterable[str]:
    warnings = validation_document(evidence)["validation_report"]["warnings"]
    return [f"Warning: {escape(text)}" for text in warnings[:CHANGES_SHOWN]] + (
        [f"and {len(warnings) - CHANGES_SHOWN} more warnings in the report"] * (len(warnings) > CHANGES_SHOWN)
    )


def _names(as_json: str) -> str:
    return ", ".join(escape(str(name)) for name in json.loads(as_json)) or "none"


def _text(value: Any) -> str:
    return "undefined" if value is None or pd.isna(value) else f"{value:.2f}"
