"""The first half of the page: what to know first, what to hold, and why."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

from flows.absences import absences
from flows.outputs import CASH, Evidence, latched, stamp
from flows.page_charts import areas, share_bar
from flows.page_parts import (
    NONE,
    Alert,
    Cell,
    Plot,
    Section,
    Table,
    Tile,
    bounds,
    change,
    date,
    number,
    percent,
    points,
    words,
)

Report = dict[str, Any]
SURE = ((0.35, "low"), (0.65, "middling"), (1.0, "high"))
PLURAL = {"is": "are", "has": "have", "shows": "show", "depends": "depend"}
STAGES = {
    "risk_based": "weights by risk alone",
    "views": "less what views are unsure of",
    "raw": "after the policy's limits",
    "smoothed": "after smoothing with what is held",
    "projected": "after the limits on change",
    "stops": "after stop conditions",
}
LEVELS = {
    1: "risk is reduced",
    2: "all in cash, but for defensive assets the policy names",
    3: "everything is sold",
}


def alerts(evidence: Evidence, report: Report) -> list[Alert]:
    """What to know before believing the rest: stops, then what was left out, then doubts about the past."""
    return [
        *(Alert("stop", text) for text in _stopped(evidence)),
        *(Alert("warning", text) for text in _handicaps(evidence)),
        *_doubts(evidence, report["warnings"]),
        *(Alert("note", _title(text, is_name=False)) for text in report["data"]["notes"]),
    ]


def tiles(evidence: Evidence, report: Report) -> list[Tile]:
    """The figures that are asked for first."""
    log, sharpe = evidence.allocation, report["intervals"]["sharpe_ratio"]
    results, decisions = report["walk_forward_results"], report["basis"]["decisions"]
    risky = evidence.exposures[evidence.exposures.symbol != CASH]
    interval = f"95 % interval {bounds(sharpe)}" if sharpe else "no interval yet"
    hindsight = decisions["all"] - decisions["made_live"]
    invested = Tile(
        "Invested",
        percent(risky.weight.sum()),
        f"in {(risky.weight != 0).sum()} assets; the rest is cash",
    )
    if evidence.policy.allow_shorts:
        net = percent(risky.weight.sum())
        invested = Tile("Gross", percent(risky.weight.abs().sum()), f"{both_sides(risky.weight)}; net {net}")
    return [
        invested,
        Tile("Change", percent(log["turnover"]), "of the value is traded to get there"),
        Tile("Confidence", number(log["confidence"]), f"{sureness(log['confidence'])}, of 1"),
        Tile("Regime", words(str(log["regime"])), f"says {words(evidence.policy.detector)}"),
        Tile("Expected volatility", percent(log["volatility"]), "a year"),
        Tile("Sharpe of the past", number(results["sharpe_ratio"]), f"a year, after costs; {interval}"),
        Tile("Deepest fall", percent(results["max_drawdown"]), "of the past, from a peak"),
        Tile("Decisions", f"{decisions['all']:,}", f"of which {hindsight:,} were made in hindsight"),
    ]


def both_sides(weights: pd.Series) -> str:
    """What is long and what is short, in words."""
    parts = [
        f"{percent(side.abs().sum())} {name} in {len(side)} assets"
        for name, side in (("long", weights[weights > 0]), ("short", weights[weights < 0]))
    ]
    return " and ".join(parts)


def exposures(evidence: Evidence) -> Section:
    """What to hold now and what was held before, with the reason where a class has nothing."""
    missing = [f"No {name}: {why}." for name, why in absences(evidence).items()]
    lead = (
        f"Hold these weights from {date(evidence.rebalance_date)} on. “Before” is what the last decision "
        "has come to by now, as prices moved; the line across a bar marks it. Changes are in percentage "
        "points."
    )
    parts = [_weights(evidence), _classes(evidence)]
    return Section("exposures", "What to hold", [lead, *missing], [*parts, *_invested(evidence)])


def reasons(evidence: Evidence, report: Report) -> Section:
    """From views to weights, and the strategies behind them."""
    log, confidence = evidence.allocation, evidence.page.confidence
    lead = [
        "A strategy is a rule with fixed parameters. Those that passed every gate on an asset are weighed by "
        "their record; together they give a view of what the asset will return. A view counts only as far "
        f"as it is larger than its error. {_title(log['allocator'])} then spreads the money.",
        _limits(log),
        *_confidence(log, confidence),
    ]
    if log["fallback_mode"]:
        lead.insert(0, f"The allocator could not answer ({log['reason']}): {words(log['fallback_mode'])}.")
    return Section("why", "Why these weights", lead, [_held(evidence), _stages(evidence), *_gates(evidence)])


def held(evidence: Evidence) -> list[Section]:
    """Where the decision was told what is really held: target against held, and the trades between them."""
    told = evidence.page.held
    if not told:
        return []
    target = evidence.exposures.set_index("symbol").weight
    risky = sorted((set(told) | set(target[target != 0].index)) - {CASH})
    rows = [_trade(symbol, told.get(symbol, 0.0), target.get(symbol, 0.0)) for symbol in risky]
    cash = 1 - sum(weight for symbol, weight in told.items() if symbol != CASH)
    rows.append(_trade(CASH, cash, target.get(CASH, 0.0), is_traded=False))
    moved = sum(abs(target.get(symbol, 0.0) - told.get(symbol, 0.0)) for symbol in risky)
    table = Table(
        "Target against held, as shares of the value", ["Asset", "#Held", "#Target", "#Change", "Trade"], rows
    )
    lead = (
        f"What is really held was told with --holdings. To reach the target, {percent(moved)} of the value "
        "is to be bought or sold."
    )
    return [Section("held", "Held and target", [lead], [table])]


def sureness(confidence: float) -> str:
    """A confidence in a word."""
    return next(word for most, word in SURE if confidence <= most)


def _trade(symbol: str, now: float, target: float, *, is_traded: bool = True) -> list[str]:
    gap = target - now
    what = "buy" if gap > 0 else "sell"
    order = f"{what} {percent(abs(gap), 2)}" if is_traded and round(gap, 6) else NONE
    return [symbol, percent(now, 2), percent(target, 2), change(gap, 2), order]


def _stopped(evidence: Evidence) -> Iterator[str]:
    stops = latched(evidence)
    if len(stops):
        level = int(evidence.allocation["level"])
        yield f"A stop condition is in force, level {level} of 3: {LEVELS.get(level, 'nothing is traded')}."
    for stop in stops.itertuples():
        reached = f"it is {number(stop.value)}, the limit is {number(stop.limit_value)}"
        yield f"{_title(stop.condition)}: {reached}. Action: {stop.action}."


def _doubts(evidence: Evidence, warnings: list[str]) -> Iterator[Alert]:
    """Those of the whole set, then those of strategies, gathered by what they say; those in use first."""
    used, strategies = set(evidence.page.contributions.strategy), set(evidence.overfit.strategy)
    gathered: dict[tuple[bool, str], list[str]] = {}
    for text in warnings:
        name, _, said = text.partition(" ")
        if name in strategies:
            what, _, figures = said.partition(" (")
            gathered.setdefault((name in used, what), []).append(f"{name} ({figures or said}")
        else:
            yield Alert("warning", _title(text, is_name=False))
    for (is_used, what), names in sorted(gathered.items(), reverse=True):
        which = "Strategies in use" if is_used else "Strategies not in use"
        verb, _, rest = what.partition(" ")
        says = f"{which} that {PLURAL.get(verb, verb)} {rest}: {', '.join(names)}"
        yield Alert("warning" if is_used else "note", says)


def _handicaps(evidence: Evidence) -> Iterator[str]:
    log = evidence.allocation
    if log["fallback_mode"]:
        yield f"The allocator gave no answer; the policy's fallback is used: {words(log['fallback_mode'])}."
    for symbol, reason in evidence.excluded.items():
        yield f"{symbol} was left out of this decision for its data: {reason}."
    if conflicts := json.loads(log["conflicts"]):
        yield f"Limits that could not all be kept: {', '.join(map(str, conflicts))}."


def _weights(evidence: Evidence) -> Table:
    rows = evidence.exposures
    moved = rows[(rows.weight != 0) | (rows.previous_weight != 0)]
    is_cash = moved.symbol == CASH
    risky = moved[~is_cash].sort_values(["weight", "symbol"], ascending=[False, True])
    both = [*risky.weight, *risky.previous_weight]
    most, least = max(both, default=1.0), min(both, default=0.0)
    shown = [_weight(row, most, least) for row in risky.itertuples()] + [
        _weight(row, None) for row in moved[is_cash].itertuples()
    ]
    unused = len(rows) - len(moved)
    note = f"{unused} more assets of the universe have no weight and had none." if unused else ""
    columns = ["Asset", "Class", "#Now", "#Before", "#Change", "Weight, and before"]
    return Table("Weights from this decision on, as shares of the value", columns, shown, note)


def _weight(row: Any, most: float | None, least: float = 0.0) -> list[str | Cell]:
    bar = None if most is None else share_bar(row.weight, most, mark=row.previous_weight, least=least)
    return [
        Cell(row.symbol, "name"),
        row.asset_class,
        percent(row.weight, 2),
        percent(row.previous_weight, 2),
        change(row.weight - row.previous_weight, 2),
        Cell("", "plotted", bar),
    ]


def _classes(evidence: Evidence) -> Table:
    weights = evidence.exposures.set_index("asset_class")[["weight", "previous_weight"]]
    is_by_size = evidence.policy.allow_shorts
    totals = (weights.abs() if is_by_size else weights).groupby("asset_class").sum()
    limits = {str(name): most for name, most in evidence.policy.limits.asset_classes.items()}
    rows = [
        [str(name), percent(row.weight), percent(row.previous_weight), percent(limits.get(str(name)), 0)]
        for name, row in totals.iterrows()
    ]
    title = "Totals by class, shorts by their size" if is_by_size else "Totals by class"
    return Table(title, ["Class", "#Now", "#Before", "#At most"], rows)


def _invested(evidence: Evidence) -> list[Plot]:
    table = evidence.page.invested.pivot_table(index="decision_at", columns="asset_class", values="weight")
    if len(table) < 2 or not (table.to_numpy() > 0).any() or (table.sum(axis=1) > 1 + 1e-9).any():
        return []
    last = ", ".join(f"{name} {percent(table[name].iloc[-1])}" for name in table)
    label = f"Shares invested by class since {table.index[0]:%Y-%m-%d}; at this decision {last}."
    series = {str(name): table[name].fillna(0.0) for name in table}
    return [areas("Share of the value invested, by class", label, series, lambda at: percent(at, 0))]


def _limits(log: dict[str, Any]) -> str:
    names = [str(name) for name in json.loads(log["binding"])]
    return f"Limits that bind: {', '.join(names)}." if names else "No limit of the policy binds."


def _confidence(log: dict[str, Any], row: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Confidence is {number(log['confidence'])} of 1, {sureness(log['confidence'])}: the smaller of the "
        "chance that the next test span is profitable, and of what the search through many strategies leaves "
        "of the record. It changes no weight unless the policy says so."
    )
    if row and not row["is_calibrated"]:
        yield f"It is not calibrated yet: only {row['resolved_spans']} forecasts have come true or not."


def _held(evidence: Evidence) -> Table:
    """Each asset held, with its view and the strategies that brought it there."""
    views = evidence.chances.set_index("symbol")
    held_ = evidence.exposures[(evidence.exposures.symbol != CASH) & (evidence.exposures.weight != 0)]
    rows = [
        [
            Cell(row.symbol, "name"),
            percent(row.weight, 2),
            f"{points(views.ensemble_view.get(row.symbol))} ± {points(views.standard_error.get(row.symbol))}",
            points(views.shrunk_view.get(row.symbol), 2),
            Cell(_contributors(evidence.page.contributions, row.symbol), "long"),
        ]
        for row in held_.sort_values(["weight", "symbol"], ascending=[False, True]).itertuples()
    ]
    columns = ["Asset", "#Weight", "#View ± error, bp", "#Believed, bp", "Strategies, and their part of it"]
    note = (
        "Views are expected returns of one decision, in basis points (bp, hundredths of a percent). An asset "
        "whose view has faded is still held while smoothing sells it; then no strategy stands behind it."
    )
    return Table("Assets held, what is expected of them, and who says so", columns, rows, note)


def _contributors(contributions: pd.DataFrame, symbol: str) -> str:
    mine = contributions[(contributions.symbol == symbol) & (contributions.contribution.fillna(0) != 0)]
    return ", ".join(f"{row.strategy} {percent(row.contribution, 2)}" for row in mine.itertuples()) or NONE


def _stages(evidence: Evidence) -> Table:
    steps = evidence.page.waterfall[evidence.page.waterfall.symbol != CASH]
    steps = steps.assign(weight_after=steps.weight_after.abs())
    totals = steps.groupby(["stage_number", "stage"]).weight_after.sum().reset_index()
    most = max(totals.weight_after.abs(), default=1.0)
    rows = [
        [
            _title(STAGES.get(row.stage, row.stage)),
            percent(row.weight_after),
            Cell("", "plotted", share_bar(row.weight_after, most)),
        ]
        for row in totals.itertuples()
    ]
    return Table("How much is invested after each step", ["Step", "#Invested", "Of the largest"], rows)


def _gates(evidence: Evidence) -> list[Table]:
    """Strategies that are let in somewhere, then the others by what keeps them out."""
    gates = evidence.page.gates
    rows = [
        [
            Cell(row.strategy, "name"),
            f"{row.adopted} of {row.judged}",
            Cell(row.reason if isinstance(row.reason, str) else NONE, "long"),
        ]
        for row in gates[gates.adopted > 0].itertuples()
    ]
    caption = "Strategies let in at the gates: on how many assets, and what most often keeps them out"
    others = gates[gates.adopted == 0]
    kinds = others.groupby(others.reason.map(without_figures)).strategy.agg(list)
    refused = [
        [Cell(str(why), "long"), str(len(names)), Cell(", ".join(sorted(names)), "long")]
        for why, names in sorted(kinds.items(), key=lambda kind: (-len(kind[1]), kind[0]))
    ]
    columns = ["What most often keeps them out", "#How many", "Which"]
    return [
        Table(caption, ["Strategy", "#Let in", "Commonest reason against it"], rows),
        Table("Strategies let in nowhere", columns, refused, is_folded=True),
    ]


def without_figures(reason: Any) -> str:
    """A reason without its numbers, so that those of one kind are equal."""
    return re.sub(r"-?[0-9][0-9.,]*%?", "…", str(reason))


def stopped_by(evidence: Evidence) -> Section:
    """Every stop condition with its value and limit, and how often it struck."""
    struck = evidence.page.struck.set_index("condition")
    rows = [_stop(stop, struck) for stop in evidence.stops.itertuples()]
    columns = ["Condition", "State", "#Now", "#Limit", "#Struck so far", "Last"]
    lead = (
        "Each condition is looked at with every decision. One that reaches its limit latches: its action "
        "stays in force until it is reset, by hand when live, and after "
        f"{evidence.policy.stops.simulated_reset} decisions in those made in hindsight."
    )
    return Section("stops", "Stop conditions", [lead], [Table("Stop conditions", columns, rows)])


def _stop(stop: Any, struck: pd.DataFrame) -> list[str | Cell]:
    state = f"in force: {stop.action}" if stop.is_latched else "clear"
    times = int(struck.times.get(stop.condition, 0))
    last = stamp(struck.last_at[stop.condition])[:10] if times else NONE
    css = "bad" if stop.is_latched else ""
    now, limit = number(stop.value, 3), number(stop.limit_value, 3)
    return [Cell(words(stop.condition), "name"), Cell(state, css), now, limit, str(times), last]


def _title(name: Any, *, is_name: bool = True) -> str:
    text = words(str(name)) if is_name else str(name)
    return text[:1].upper() + text[1:]
