"""The middle of the page: the past, train against test, what luck could do, and the mood of the market."""

import math
from typing import Any

import pandas as pd

from flows.outputs import Evidence, overall
from flows.page_charts import interval_bars, lines, ribbon
from flows.page_parts import NONE, Cell, Plot, Section, Table, bounds, number, percent, words

Report = dict[str, Any]
BENCHMARKS = {
    "portfolio": "this portfolio",
    "equal_weight": "equal weight",
    "sixty_forty": "60 % stocks, 40 % cash",
    "inverse_volatility": "inverse volatility",
    "best_asset": "best asset of a year",
}
SCENARIOS = {
    "costs_1x": "as it was",
    "costs_2x": "costs twice as high",
    "costs_3x": "costs three times as high",
    "fill_to_fill": "measured order by order",
    "delayed_bar": "weights a bar late",
    "delayed_day": "weights a day late",
}
MOODS = {"risk_off": "mood-off", "neutral": "mood-neutral", "risk_on": "mood-on"}
RESULTS = ("sharpe_ratio", "sortino_ratio", "max_drawdown", "win_rate")


def past(evidence: Evidence, report: Report) -> Section:
    """Equity and drawdown beside the benchmarks, then the numbers."""
    found = report["benchmarks"]
    lead = [
        "After costs. Every decision but those made live was made in hindsight, with today's code: what is "
        "known then is respected, but the choice of rules is not free of what came later."
    ]
    if found is None:
        return Section("past", "The past", [*lead, "Nothing was ever held, so there is nothing to show."])
    lead.append(
        "The portfolio and its benchmarks are measured in the same way, with the same fills and costs, from "
        "when the portfolio first held something."
    )
    told = evidence.benchmarks.decision_at
    drawn = _curves(evidence.benchmarks) if told.max() > told.min() else []
    return Section("past", "The past", lead, [*drawn, _compared(found, report), _scenarios(report)])


def walk_forward(evidence: Evidence, report: Report) -> Section:
    """Each strategy in the spans it was chosen on and in those it was judged on."""
    plan = report["basis"]["windows"]
    lead = (
        f"Plan {plan['plan']}: {plan['train']} decisions to train on, {plan['embargo']} left out, then "
        f"{plan['test']} to test on; the next window begins {plan['step']} decisions later. Only test spans "
        "decide. A test Sharpe whose interval crosses the zero line may be luck."
    )
    return Section("walk-forward", "Train against test", [lead], _strategies(evidence, report))


def luck(evidence: Evidence, report: Report) -> Section:
    """What is left of the record when the search for it is counted."""
    lead = [
        f"{report['basis']['trials'] or 'No'} configurations were tried. The best of many looks good by luck "
        "alone; these figures say how far that could explain what was found."
    ]
    if evidence.overfit.empty:
        return Section("luck", "Overfitting and luck", [*lead, "Nothing was judged yet."])
    return Section(
        "luck", "Overfitting and luck", lead, [_whole(evidence), _checks(evidence), _each(evidence)]
    )


def regimes(evidence: Evidence, report: Report) -> Section:
    """What each detector says, and what the one that decides said so far."""
    said = {name: row for name, row in report["regimes"].items() if name != "decides"}
    rows = [
        [
            Cell(words(name) + (" (decides)" if name == evidence.policy.detector else ""), "name"),
            words(row["regime"]),
            *(percent(row["probabilities"][mood], 0) for mood in ("risk_on", "neutral", "risk_off")),
            number(row["flips_per_year"], 1),
        ]
        for name, row in said.items()
    ]
    columns = ["Detector", "Says", "#Risk on", "#Neutral", "#Risk off", "#Changes a year"]
    lead = (
        "The mood of the market, from what was known at each decision. Detectors differ in kind; the policy "
        "names the one that decides."
    )
    table = Table("What each detector says at this decision", columns, rows)
    return Section("regimes", "Regimes", [lead], [*_ribbon(evidence), table])


def _curves(rows: pd.DataFrame) -> list[Plot]:
    table = rows.pivot_table(index="decision_at", columns="benchmark", values="net_return")
    names = [name for name in BENCHMARKS if name in table]
    values = (1 + table[names].fillna(0.0)).cumprod().rename(columns=BENCHMARKS)
    falls = values / values.cummax().clip(lower=1.0) - 1
    ends = ", ".join(f"{name} {number(values[name].iloc[-1])}" for name in values)
    worst = ", ".join(f"{name} {percent(falls[name].min())}" for name in falls)
    span = f"{values.index[0]:%Y-%m-%d} to {values.index[-1]:%Y-%m-%d}"
    return [
        lines(
            "Value of 1 put in at the start (equal steps up are equal gains in percent)",
            f"Value of 1 from {span}, after costs. At the end: {ends}.",
            {str(name): values[name].clip(lower=1e-6) for name in values},
            number,
            is_log=True,
        ),
        lines(
            "Fall below the highest value so far",
            f"Drawdowns from {span}. Deepest: {worst}.",
            {str(name): falls[name] for name in falls},
            lambda at: percent(at, 0),
            is_filled=True,
        ),
    ]


def _compared(found: dict[str, Any], report: Report) -> Table:
    rows = [
        [
            Cell(title, "name"),
            *_four(found[name]),
            bounds(found[name].get("interval")),
            bounds(found[name].get("portfolio_beyond")),
        ]
        for name, title in BENCHMARKS.items()
        if name in found
    ]
    columns = ["", "#Sharpe", "#Sortino", "#Deepest fall", "#Win rate", "#95 % of the Sharpe"]
    columns.append("#Portfolio beyond it, 95 %")
    note = (
        "Sharpe and Sortino a year. Portfolio beyond it: interval of the information ratio of the portfolio "
        "less the benchmark; where it holds 0, neither is shown to be better. The portfolio’s own Sharpe: "
        f"{bounds(report['intervals']['sharpe_ratio'])}, drawn once for each window."
    )
    return Table("The portfolio and what one would hold without any of this", columns, rows, note)


def _scenarios(report: Report) -> Table:
    rows = [
        [Cell(title, "name"), *_four(report["scenarios"][name])]
        for name, title in SCENARIOS.items()
        if name in report["scenarios"]
    ]
    note = "Late weights are measured order by order: compare them with “measured order by order”."
    columns = ["", "#Sharpe", "#Sortino", "#Deepest fall", "#Win rate"]
    return Table("The same decisions, had it been dearer or slower", columns, rows, note)


def _four(results: dict[str, Any]) -> list[str]:
    sharpe, sortino, fall, win = (results[name] for name in RESULTS)
    return [number(sharpe), number(sortino), percent(fall), percent(win)]


def _strategies(evidence: Evidence, report: Report) -> list[Table]:
    """Those let in at some gate, then the others."""
    spans = evidence.page.spans.set_index(["strategy", "span"]).sharpe
    found = report["strategies"]
    names = sorted(found, key=lambda name: (-(found[name]["test_sharpe"] or -math.inf), name))
    trained = {name: spans.get((name, "train"), math.nan) for name in names}
    drawn = interval_bars(
        [
            (
                (found[name]["interval"] or {}).get("lower"),
                (found[name]["interval"] or {}).get("upper"),
                [(trained[name], "train"), (found[name]["test_sharpe"], "test")],
            )
            for name in names
        ]
    )
    rows = [
        [
            Cell(name, "name"),
            number(trained[name]),
            number(found[name]["test_sharpe"]),
            bounds(found[name]["interval"]),
            Cell("", "plotted", bar),
            str(found[name]["record"]["windows"]),
            f"{found[name]['record']['trades']:,}",
            number(found[name]["test_sharpe_if"].get("costs_2x")),
        ]
        for name, bar in zip(names, drawn, strict=True)
    ]
    gates = evidence.page.gates
    admitted = set(gates[gates.adopted > 0].strategy)
    is_in = [name in admitted for name in names]
    columns = ["Strategy", "#Train", "#Test", "#95 % of test", "Train ○, test ●, interval"]
    columns += ["#Windows", "#Trades", "#Test at costs ×2"]
    note = (
        "Annual Sharpe after costs, of the mean over all assets. Train: mean over train spans. The upright "
        "line in the drawing is zero."
    )
    chosen = [row for row, is_let_in in zip(rows, is_in, strict=True) if is_let_in]
    others = [row for row, is_let_in in zip(rows, is_in, strict=True) if not is_let_in]
    return [
        Table("Strategies let in at some gate: Sharpe in train and test spans", columns, chosen, note),
        Table("All other strategies, the same", columns, others, is_folded=True),
    ]


def _whole(evidence: Evidence) -> Table:
    def of(name: str, digits: int = 2) -> str:
        return number(overall(evidence.overfit, name), digits)

    rows = [
        ["Train-test gap", of("train_test_gap"), "how much better train spans look; above 0.2 warns"],
        ["Stability across windows", of("cv_stability"), "1 is the same in each; below 0.5 warns"],
        ["Consistency across regimes", of("regime_consistency"), "worst over best; below 0.3 warns"],
        ["PSR", of("psr"), "chance that the Sharpe is above 0, had nothing else been tried"],
        ["DSR", of("dsr"), "the same after all trials; believed from 0.95 on"],
        ["PBO", of("pbo"), "chance that the best in one half of time is below the middle in the other"],
        ["Record needed", of("min_track_record", 0), "decisions after which the Sharpe is believed above 0"],
    ]
    return Table("The whole set of strategies", ["Measure", "#Value", "Means"], rows, css="means")


def _checks(evidence: Evidence) -> Table:
    rows = [
        [
            words(row.benchmark),
            row.best if isinstance(row.best, str) else NONE,
            number(row.reality_check),
            number(row.spa_consistent),
        ]
        for row in evidence.checks.itertuples()
    ]
    columns = ["Against", "Best strategy", "#Reality check p", "#SPA p"]
    note = "p: how often luck alone would do as well as the best of so many; below 0.05 is rare."
    return Table("Is the best strategy better than doing nothing?", columns, rows, note)


def _each(evidence: Evidence) -> Table:
    rows = [
        [
            Cell(row.strategy, "name"),
            number(row.train_test_gap),
            number(row.cv_stability),
            number(row.regime_consistency),
            number(row.psr),
            number(row.dsr),
        ]
        for row in evidence.overfit[evidence.overfit.strategy != "all"].itertuples()
    ]
    columns = ["Strategy", "#Gap", "#Stability", "#Consistency", "#PSR", "#DSR"]
    return Table("Each strategy", columns, rows, is_folded=True)


def _ribbon(evidence: Evidence) -> list[Plot]:
    moods = evidence.page.moods.set_index("decision_at").regime
    if len(moods) < 2:
        return []
    shares = moods.value_counts(normalize=True)
    said = ", ".join(f"{words(name)} {percent(shares.get(name, 0.0), 0)}" for name in MOODS)
    detector = words(evidence.policy.detector)
    caption = f"Regime so far, as {detector} saw it at each decision (the higher, the better the mood)"
    return [ribbon(caption, f"Regimes since {moods.index[0]:%Y-%m-%d}: {said} of the time.", moods, MOODS)]
