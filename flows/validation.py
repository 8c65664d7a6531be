"""The validation report: how far to believe a decision; each number with span, costs, trials and interval.

Written from rows known at the decision alone. A number that is undefined is null, and `undefined` says why.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flows.outputs import Evidence, annual_sharpe, max_drawdown, overall, sortino, stamp, win_rate
from python_steps.belief_warnings import warnings
from python_steps.bootstrap_intervals import yardsticks

DIGITS = 4
DAYS_PER_YEAR = 365.25
SCENARIOS = {
    "plain": "costs_1x",
    "costs_2x": "costs_2x",
    "costs_3x": "costs_3x",
    "fill_to_fill": "fill_to_fill",
    "delayed_bar": "delayed_bar",
    "delayed_day": "delayed_day",
}
OVERFIT = {
    "train_test_gap": "no strategy that was fitted has a known test span",
    "cv_stability": "fewer than two test spans with a Sharpe are known",
    "regime_consistency": "fewer than two regimes with 30 returns",
}
REGIMES = ("risk_on", "neutral", "risk_off")
HORIZON = 5  # decisions ahead at which signals are judged first, as learners are
METHOD = "stationary block bootstrap (Politis and Romano 1994), percentiles"


@dataclass(frozen=True)
class Undefined:
    """In place of a number, why there is none."""

    reason: str


def validation_document(evidence: Evidence) -> dict[str, Any]:
    """The whole report; the first four keys have the shape of the specification."""
    from flows.risk_report import risk_sections  # which reads what stands here

    past = evidence.past
    sections = {
        "generated_at": stamp(evidence.as_of),
        "walk_forward_results": results(past, evidence.decisions_per_year),
        "overfit_metrics": {
            name: _defined(overall(evidence.overfit, name), reason) for name, reason in OVERFIT.items()
        },
        "warnings": warnings(evidence.overfit, evidence.checks, evidence.policy),
        "basis": _basis(evidence),
        "intervals": portfolio_intervals(evidence),
        "scenarios": scenarios(evidence),
        **risk_sections(evidence),
        "weightings": weightings(evidence),
        "plans": _plans(evidence),
        "strategies": _strategies(evidence),
        "signals": _signals(evidence),
        "regimes": _regimes(evidence),
        "data": _data(evidence),
    }
    undefined = {".".join(path): found.reason for path, found in _undefined(sections, ())}
    return {"validation_report": _nulled(sections) | {"undefined": undefined}}


def results(periods: pd.DataFrame, decisions_per_year: float) -> dict[str, float | Undefined]:
    """Sharpe and Sortino (annual), deepest fall and win rate of periods (net_return, is_active)."""
    returns = periods["net_return"].to_numpy(dtype=float)
    if not len(returns):
        names = ("sharpe_ratio", "sortino_ratio", "max_drawdown", "win_rate")
        return dict.fromkeys(names, Undefined("no decision"))
    few = "fewer than two decisions" if len(returns) < 2 else None
    annual = annual_sharpe(returns, decisions_per_year)
    won = win_rate(returns, periods["is_active"].to_numpy(dtype=bool))
    return {
        "sharpe_ratio": _defined(annual, few or "the returns have no deviation"),
        "sortino_ratio": _defined(sortino(returns, decisions_per_year), few or "no decision lost"),
        "max_drawdown": max_drawdown(returns),
        "win_rate": _defined(won, "nothing was ever held"),
    }


def scenarios(evidence: Evidence) -> dict[str, Any]:
    """The four results of the portfolio at one, two and three times the cost, and with late weights."""
    found = {}
    for scenario, name in SCENARIOS.items():
        periods = evidence.scenarios[evidence.scenarios["scenario"] == scenario]
        found[name] = all_rounded(results(periods, evidence.decisions_per_year))
        found[name] |= {"decisions": len(periods)}
    return found


def portfolio_intervals(evidence: Evidence) -> dict[str, Any]:
    """The newest interval of the portfolio's Sharpe and mean return; its record ends a little earlier."""
    found = evidence.intervals[evidence.intervals["kind"] == "portfolio"].set_index("metric")
    names = {"sharpe_ratio": "sharpe", "expected_return": "expected_return"}
    return {
        name: bounds_of(found.loc[metric]) if metric in found.index else Undefined("no record is closed yet")
        for name, metric in names.items()
    }


def weightings(evidence: Evidence) -> Any:
    """Each way to weigh strategies, judged after its decisions, and how it differs from its yardstick.

    All over the decisions since the one in force first held something.
    """
    in_force, rows = evidence.policy.weights.method, evidence.ensembles
    begun = rows.loc[(rows["method"] == in_force) & rows["is_active"], "decision_at"].min()
    rows = rows[rows["decision_at"] >= begun]
    if rows.empty:
        return Undefined(f"{in_force} has not held anything of which the profit is known")
    against = yardsticks(rows["method"].unique(), in_force)
    found = {}
    for method, periods in rows.groupby("method"):
        said = all_rounded(results(periods, evidence.decisions_per_year))
        said["cost"] = rounded(math.fsum(periods["cost"]))
        if method in against:
            said |= _difference(evidence, str(method), against[str(method)])
        found[str(method)] = said
    span = rows["decision_at"].drop_duplicates().sort_values()
    regrets = evidence.regrets.set_index("method").to_dict("index")
    return {
        "in_force": in_force,
        "span": span_of(span) | {"decisions": len(span)},
        "methods": found,
        "regrets": {
            str(method): {name: _plain_or_rounded(value) for name, value in row.items()}
            for method, row in regrets.items()
        },
    }


def _difference(evidence: Evidence, method: str, yardstick: str) -> dict[str, Any]:
    """The paired intervals of what a method earned beyond its yardstick, a decision and for its risk."""
    drawn = evidence.intervals[evidence.intervals["kind"] == "ensemble"].set_index(["subject", "metric"])
    subject, said = f"{evidence.portfolio}: {method} - {yardstick}", {"compared_with": yardstick}
    names = {"net_return_beyond": "expected_return", "information_ratio": "sharpe"}
    return said | {
        name: bounds_of(drawn.loc[(subject, metric)])
        if (subject, metric) in drawn.index
        else Undefined("no record is closed yet")
        for name, metric in names.items()
    }


def _plain_or_rounded(value: Any) -> Any:
    return rounded(value) if isinstance(value, float) else _plain(value)


def _basis(evidence: Evidence) -> dict[str, Any]:
    """What every number of the report stands on."""
    past, costs, intervals = evidence.past, evidence.costs, evidence.intervals
    records = _mine(evidence, evidence.policy.plan)
    return {
        "portfolio": evidence.portfolio,
        "span": span_of(past["decision_at"]) if len(past) else Undefined("no decision"),
        "decisions": {
            "all": len(past),
            "with_something_held": int(past["is_active"].sum()),
            "made_live": int(past["is_live"].sum()),
            "a_year": evidence.decisions_per_year,
        },
        "windows": {name: _plain(value) for name, value in evidence.plan.items()}
        | {"tested": int(records["windows"].max()) if len(records) else 0},
        "costs": {
            "schedule": costs["cost_schedule"].iloc[0],
            "basis_points_one_way": dict(zip(costs["asset_class"], costs["bps"], strict=True)),
            **_borrow(evidence),
            "paid": rounded(math.fsum(past["cost"])),
        },
        "trials": int(evidence.overfit["trials"].max())
        if len(evidence.overfit)
        else Undefined("none counted"),
        "intervals": {
            "level": float(intervals["level"].iloc[0]),
            "draws": int(intervals["draws"].iloc[0]),
            "method": METHOD,
        }
        if len(intervals)
        else Undefined("no record is closed yet"),
        "assets": {str(name): len(group) for name, group in evidence.universe.groupby("asset_class")},
    }


def _plans(evidence: Evidence) -> dict[str, Any]:
    """Test Sharpes under each plan, side by side; a learner is fitted anew under each."""
    plans: dict[str, Any] = {}
    sharpes: dict[str, dict[str, Any]] = {}
    for plan in evidence.policy.laid_plans:
        records = _mine(evidence, plan)
        if records.empty:
            plans[plan] = Undefined("no test span is known")
            continue
        longest = records.loc[records["observations"].idxmax()]
        plans[plan] = {"windows": int(longest["windows"]), "decisions": int(longest["observations"])}
        plans[plan] |= {"from": stamp(longest["from_at"]), "until": stamp(longest["until_at"])}
        for record in records.itertuples():
            sharpes.setdefault(str(record.label), {})[plan] = _sharpe_of(record)
    return {"spans": plans, "sharpe_ratios": {label: sharpes[label] for label in sorted(sharpes)}}


def _borrow(evidence: Evidence) -> dict[str, Any]:
    """What a short pays, by class; nothing where none is allowed."""
    rates = evidence.borrow
    return {} if rates.empty else {"borrow_basis_points_a_year": dict(rates.to_numpy())}


def _strategies(evidence: Evidence) -> dict[str, Any]:
    """The test record of each strategy over all assets, after costs, with what it leaves after trials."""
    intervals = evidence.intervals[
        (evidence.intervals["kind"] == "strategy") & (evidence.intervals["metric"] == "sharpe")
    ].set_index("subject")
    dsr = evidence.overfit.set_index("strategy")["dsr"]
    records = _mine(evidence, evidence.policy.plan)
    found: dict[str, Any] = {}
    for record in records.itertuples():
        name = str(record.strategy)
        found[name] = {
            "test_sharpe": _sharpe_of(record),
            "interval": bounds_of(intervals.loc[name], span=False)
            if name in intervals.index
            else Undefined("no record is closed yet"),
            "record": {"windows": int(record.windows), "decisions": int(record.observations)}
            | {"trades": int(record.trades), "from": stamp(record.from_at), "until": stamp(record.until_at)},
            "dsr": _defined(rounded(dsr.get(name)), "no deviation, or too few returns"),
            "test_sharpe_if": {
                str(other.scenario): _sharpe_of(other)
                for other in evidence.records.itertuples()
                if other.plan == record.plan and other.strategy == name and other.scenario != "plain"
            },
        }
    return found


def _signals(evidence: Evidence) -> Any:
    """How well the readings of each signal foretold returns, over all test spans that tile time."""
    judged = evidence.signals[evidence.signals["horizon"] == HORIZON]
    if judged.empty:
        return Undefined("no test span is known with its forward returns")
    found: dict[str, Any] = {"horizon": HORIZON, "windows": int(judged["windows"].max())}
    decays = dict(iter(evidence.signals.groupby("signal")))
    return found | {str(row.signal): _signal(row, decays[row.signal]) for row in judged.itertuples()}


def _signal(record: Any, decay: pd.DataFrame) -> dict[str, Any]:
    said = dict(part.split(": ", 1) for part in str(record.undefined or "").split("; ") if ": " in part)
    bounds = {name: rounded(getattr(record, f"ic_{name}")) for name in ("lower", "upper")}
    reason = said.get("interval") or said.get("error") or "signal_quality gives no reason"
    is_alone = not isinstance(record.other_signal, str)
    alike = {"signal": record.other_signal, "correlation": rounded(record.correlation)}
    return {
        "ic": rounded(record.ic),
        "interval": Undefined(reason) if None in bounds.values() else bounds,
        "rank_ic": rounded(record.rank_ic),
        "decay": {int(row.horizon): rounded(row.ic) for row in decay.itertuples()},
        "turnover": _defined(rounded(record.turnover), "no reading of two decisions in a row"),
        "most_alike": Undefined("no other signal differs beside it") if is_alone else alike,
    }


def _regimes(evidence: Evidence) -> dict[str, Any]:
    """What each detector says, how often it changed its mind and how often the others said the same."""
    found: dict[str, Any] = {"decides": evidence.policy.detector}
    few = Undefined("fewer than two decisions at which it knew anything")
    for said in evidence.regimes.itertuples():
        chances = {name: rounded(getattr(said, f"{name}_probability")) for name in REGIMES}
        flips = rounded(said.flips_per_year)
        found[str(said.detector)] = {
            "regime": said.regime,
            "probabilities": chances,
            "flips_per_year": few if flips is None else flips,
            "agreement": _agreement(evidence.agreement, str(said.detector)),
        }
    return found


def _agreement(pairs: pd.DataFrame, detector: str) -> dict[str, float | None]:
    """Share of decisions at which each other detector said the same; each pair stands once."""
    turned = pairs.rename(columns={"detector": "other_detector", "other_detector": "detector"})
    both = pd.concat([pairs, turned[pairs.columns]])
    mine = both[both["detector"] == detector].sort_values("other_detector")
    return {str(row.other_detector): rounded(row.agreement) for row in mine.itertuples()}


def _data(evidence: Evidence) -> dict[str, Any]:
    """What the prices are, and whether an asset that failed could have been among them."""
    universe, years = evidence.universe, _years(evidence.past["decision_at"])
    adjusted = universe[universe["adjustment"] != "none"]
    is_ended = universe["member_until"] <= pd.Timestamp(evidence.rebalance_date)
    notes = []
    if len(adjusted):
        notes.append(
            f"{len(adjusted)} of {len(universe)} assets ({_classes(adjusted)}) have prices adjusted for what "
            f"came later ({', '.join(sorted(set(adjusted['adjustment'])))}): their returns can be used, "
            f"their levels are not those of the day"
        )
    if years and not is_ended.any():
        notes.append(
            f"no asset of the universe ended in the {years:.1f} years of the record: all {len(universe)} are "
            f"survivors, those that failed are not among them, and a rule that buys what fell looks better "
            f"than it was"
        )
    return {
        "adjustment": {str(name): len(group) for name, group in universe.groupby("adjustment")},
        "ended": {str(name): int(group.sum()) for name, group in is_ended.groupby(universe["asset_class"])},
        "excluded": evidence.excluded,
        "notes": notes,
    }


def _mine(evidence: Evidence, plan: str) -> pd.DataFrame:
    """Plain records under a plan, of strategies judged at the decision; a learner goes by its own name."""
    records = evidence.records[evidence.records["scenario"] == "plain"]
    is_learner = records["kind"] == "learner"
    labelled = records.assign(label=records["source"].where(is_learner, records["strategy"]))
    judged = set(labelled.loc[labelled["strategy"].isin(evidence.overfit["strategy"]), "label"])
    return labelled[(labelled["plan"] == plan) & labelled["label"].isin(judged)]


def _sharpe_of(record: Any) -> float | Undefined:
    said = [part for part in str(record.undefined).split("; ") if part.startswith("sharpe: ")]
    reason = said[0].removeprefix("sharpe: ") if said else "test_record gives no reason"
    return _defined(rounded(record.sharpe), reason)


def bounds_of(interval: Any, span: bool = True) -> Any:
    """An interval with its estimate and record, or bounds alone; Undefined where it has none."""
    if not math.isfinite(interval["lower"]):
        return Undefined(str(interval["undefined"]))
    bounds: dict[str, Any] = {name: rounded(interval[name]) for name in ("lower", "upper")}
    if not span:
        return bounds
    whole = {"estimate": rounded(interval["estimate"])} | bounds
    whole |= {"decisions": int(interval["observations"]), "until": stamp(interval["until_at"])}
    return whole | {"block_length": rounded(interval["block_length"])}


def span_of(instants: pd.Series) -> dict[str, Any]:
    """First and last of ordered instants, and the years between."""
    ends = {"from": stamp(instants.iloc[0]), "until": stamp(instants.iloc[-1])}
    return {**ends, "years": rounded(_years(instants))}


def _years(instants: pd.Series) -> float:
    return (instants.iloc[-1] - instants.iloc[0]).days / DAYS_PER_YEAR if len(instants) else 0.0


def _classes(assets: pd.DataFrame) -> str:
    return ", ".join(sorted(set(assets["asset_class"])))


def _defined(value: float | None, reason: str) -> float | Undefined:
    return Undefined(reason) if value is None else value


def all_rounded(numbers: dict[str, Any]) -> dict[str, Any]:
    """The same with its floats rounded."""
    return {name: rounded(n) if isinstance(n, float) else n for name, n in numbers.items()}


def rounded(value: Any) -> float | None:
    """To four significant digits; more would be noise. Null where not finite."""
    return float(f"{value:.{DIGITS}g}") if value is not None and math.isfinite(value) else None


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _undefined(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Undefined]]:
    if isinstance(value, Undefined):
        yield path, value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _undefined(part, (*path, name))


def _nulled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _nulled(part) for name, part in value.items()}
    return None if isinstance(value, Undefined) else value
