"""The end of the page: risk, money, data, and what the numbers stand on."""

from typing import Any

from flows.outputs import CASH, Evidence, stamp
from flows.page_charts import share_bar
from flows.page_parts import NONE, Cell, Section, Table, change, money, number, percent, words

Report = dict[str, Any]
SHOCKS = {"worst_1": "Worst decision", "worst_5": "Worst five decisions", "worst_21": "Worst 21 decisions"}
MEASURES = {
    "volatility": "Volatility a year, as foretold",
    "volatility_replayed": "Volatility a year, had these weights been held",
    "var_95": "Value at risk, Gaussian",
    "var_95_cornish_fisher": "Value at risk, bent by skewness and tails",
    "var_95_historical": "Value at risk, had these weights been held",
    "es_95": "Expected shortfall, Gaussian",
    "es_95_cornish_fisher": "Expected shortfall, bent by skewness and tails",
    "es_95_historical": "Expected shortfall, had these weights been held",
    "effective_assets": "Number of equal assets it comes to",
    "mean_correlation": "Mean correlation of what is held",
    "skewness": "Skewness",
    "kurtosis": "Kurtosis",
    "coverage": "Share of the weight with returns to replay",
}
SHARES = [name for name in MEASURES if name.startswith(("volatility", "var", "es_"))]
DIGEST = 12
WORDS = (
    (
        "Decision",
        "one rebalance: what may be known ends there, and the weights are held from the next session",
    ),
    ("Sharpe", "mean return over its deviation, a year; 1 is good, and over 2 asks for an explanation"),
    ("Sortino", "the same, but over losses alone"),
    ("Drawdown", "fall from the highest value so far"),
    ("95 % interval", "where the true figure lies in 19 of 20 such cases; one that holds 0 may be luck"),
    ("Train, test", "spans a strategy is fitted on, and later ones it is judged on"),
    ("bp", "basis point, a hundredth of a percent"),
    (
        "Value at risk, 95 %",
        "loss that one decision in twenty exceeds; expected shortfall is the mean beyond",
    ),
    ("Regime", "mood of the market: risk on, neutral, risk off"),
)


def risk(evidence: Evidence, report: Report) -> Section:
    """What the weights risk, and who brings it."""
    found = report["risk"]
    judged = found["backtests"] or {}
    measures = [
        [title, percent(found[name], 2) if name in SHARES else number(found[name])]
        for name, title in MEASURES.items()
        if name in found
    ]
    tests = [
        [
            MEASURES.get(name, name),
            f"{row['forecasts']:,}",
            str(row["exceeded"]),
            number(row["expected"], 1),
            "rejected" if row["is_rejected"] else "holds",
        ]
        for name, row in judged.items()
    ]
    parts = [_contributions(evidence), Table("Measures of risk", ["Measure", "#Value"], measures)]
    if tests:
        columns = ["Value at risk", "#Forecasts", "#Exceeded", "#Expected", "Kupiec's test"]
        parts.append(Table("How often the loss was larger than foretold", columns, tests))
    return Section("risk", "Risk", [_sentence(found["said"])], parts)


def cost_and_size(evidence: Evidence, report: Report) -> Section:
    """Costs paid, shocks, and how much money the trades would bear."""
    costs = report["costs"]
    paid = [[_capital(name), percent(value, 2)] for name, value in costs.items() if name != "said"]
    charged = [
        [str(name), f"{bps:g} bp"] for name, bps in report["basis"]["costs"]["basis_points_one_way"].items()
    ]
    rates = report["basis"]["costs"].get("borrow_basis_points_a_year", {})
    borrowed = [[[str(name), f"{bps:g} bp"] for name, bps in rates.items()]] if rates else []
    parts = [
        Table("Paid so far, as a share of the value", ["Kind", "#Paid"], paid),
        Table("Charged for each trade, one way", ["Class", "#Fee and slippage"], charged),
        *(Table("Charged for what is short, a year", ["Class", "#To borrow"], rows) for rows in borrowed),
        *_stresses(report),
        *_capacity(report),
    ]
    return Section("costs", "Costs, stress and capacity", [_sentence(costs["said"])], parts)


def data(evidence: Evidence, report: Report) -> Section:
    """What was landed, refused and restated, and how fresh each asset is."""
    page = evidence.page
    landed = page.landed
    lead = (
        f"{landed.get('bars', 0):,} bars of {landed.get('assets', 0)} assets were known by the decision, "
        f"from {landed.get('vendors', 'nobody')}; {landed.get('restated', 0):,} of them restate an earlier "
        "one. "
        f"{len(evidence.excluded)} of {len(page.quality)} assets are left out of this decision."
    )
    refused = [
        [words(row.reason), f"{row.rows:,}", str(row.assets), _day(row.first_session), _day(row.last_session)]
        for row in page.refused.itertuples()
    ]
    columns = ["Reason", "#Rows", "#Assets", "First", "Last"]
    parts = [Table("Bars refused on landing", columns, refused)] if refused else []
    none = [] if refused else ["No bar was refused on landing."]
    return Section("data", "Data", [lead, *none], [*parts, _freshness(evidence)])


def basis(evidence: Evidence, report: Report) -> Section:
    """The run, the versions and the bounds of what was known."""
    run = evidence.page.run
    names = {
        "run_id": "Run",
        "as_of": "World ends at (UTC)",
        "batch_until": "Last landing seen",
        "policy_hash": "Policy",
        "study_hash": "Study",
        "code_version": "Code",
        "lock_hash": "Packages",
        "input_hash": "Raw rows seen",
        "seed": "Seed",
    }
    rows = [[title, Cell(_short(name, run.get(name)), "code")] for name, title in names.items()]
    undefined = [[Cell(name, "code"), reason] for name, reason in report["undefined"].items()]
    lead = (
        "Made from published rows alone, none known after the decision: the same rows give the same page. "
        "Hashes are shortened; raw.runs has them whole. `portfolio explain ASSET` goes from a weight down to "
        "the bars behind it."
    )
    parts = [
        Table(
            "Words", ["Word", "Means"], [[Cell(word, "name"), means] for word, means in WORDS], css="means"
        ),
        Table("The run behind this page", ["What", "Value"], rows),
    ]
    if undefined:
        parts.append(
            Table(
                "Numbers that are undefined, and why",
                ["Number", "Why"],
                undefined,
                css="means",
                is_folded=True,
            )
        )
    return Section("basis", "What this stands on", [lead], parts)


def _contributions(evidence: Evidence) -> Table:
    weights = evidence.exposures.set_index("symbol").weight
    found = evidence.page.risk_by_asset
    mine = found[(found.symbol != CASH) & (found.contribution != 0)]
    total = mine.contribution.sum() or 1.0
    both = [*mine.contribution / total, *(weights.get(symbol, 0.0) for symbol in mine.symbol)]
    most = max(map(abs, both), default=1.0)
    least = min(both, default=0.0) if evidence.policy.allow_shorts else 0.0
    rows = [
        [
            Cell(row.symbol, "name"),
            percent(weights.get(row.symbol), 2),
            percent(row.contribution, 2),
            percent(row.contribution / total),
            Cell(
                "",
                "plotted",
                share_bar(row.contribution / total, most, "series-2", weights.get(row.symbol), least),
            ),
        ]
        for row in mine.sort_values(["contribution", "symbol"], ascending=[False, True]).itertuples()
    ]
    columns = ["Asset", "#Weight", "#Brings, a year", "#Of all risk", "Share of risk; line: weight"]
    note = "The parts add up to the expected volatility. One far above its weight is riskier than it looks."
    return Table("What each asset brings to the expected volatility", columns, rows, note)


def _stresses(report: Report) -> list[Table]:
    found = report["stress"] or {}
    rows = [
        [SHOCKS.get(name, _capital(name)), _span(row), Cell(f"{change(row['profit'], 2) or '0.00'} %")]
        for name, row in found.items()
        if name != "said"
    ]
    note = _sentence(found["said"]) if rows else ""
    title = "What these weights would gain or lose"
    return [Table(title, ["Shock", "When", "#Profit"], rows, note)] if rows else []


def _span(row: dict[str, Any]) -> str:
    return f"{row['from'][:10]} to {row['until'][:10]}" if "from" in row else "supposed"


def _capacity(report: Report) -> list[Table]:
    found = {name: row for name, row in (report["capacity"] or {}).items() if name != "said"}
    rows = [
        [
            _capital(name),
            percent(row["traded_with_known_volume"], 0),
            money(row["peak_assets"]),
            money(row["half_sharpe_assets"]),
        ]
        for name, row in found.items()
    ]
    columns = ["Span", "#Trades with known volume", "#Profit peaks at", "#Sharpe is half at"]
    note = _sentence(report["capacity"]["said"]) if rows else ""
    return [Table("How much money the same trades would bear", columns, rows, note)] if rows else []


def _freshness(evidence: Evidence) -> Table:
    rows = [
        [
            Cell(row.symbol, "name"),
            Cell("left out" if row.is_excluded else "used", "bad" if row.is_excluded else ""),
            _day(row.session_date),
            percent(row.missing_rate),
            number(row.staleness_hours, 1),
            Cell(NONE if row.reason in ("none", "") else row.reason, "long"),
        ]
        for row in evidence.page.quality.itertuples()
    ]
    columns = ["Asset", "State", "Newest bar", "#Missing", "#Hours late", "Why"]
    note = "Missing: share of the last sessions without a bar."
    is_clean = not evidence.page.quality.is_excluded.any()
    return Table("Each asset's newest bar at the decision", columns, rows, note, is_folded=is_clean)


def _short(name: str, value: Any) -> str:
    if value is None:
        return NONE
    if name == "as_of":
        return stamp(value)
    text = str(value)
    return text[:DIGEST] if name.endswith(("_hash", "_version")) else text


def _day(value: Any) -> str:
    return NONE if value is None or str(value) == "NaT" else str(value)[:10]


def _capital(name: str) -> str:
    text = words(name)
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
