"""A Grafana dashboard made from the metrics: `python -m flows.monitoring.dashboard` writes dashboard.json.

No Grafana was at hand: its queries are run against Prometheus in the tests, what it looks like was not seen.
"""

import json
from pathlib import Path
from typing import Any

from flows.monitoring.metrics import ATTEMPT, DECISION, Metric

FILE = Path(__file__).parent / "dashboard.json"
SOURCE = {"type": "prometheus", "uid": "${source}"}
MINE = '{portfolio=~"$portfolio"}'
ROWS = {"The decision": DECISION, "The last attempt at a run": ATTEMPT}
WIDTH, HEIGHT, COLUMNS = 8, 8, 24


def query(metric: Metric) -> str:
    """What a panel asks: the age of an instant, the rise of a counter over a week, else the value."""
    if metric.unit == "dateTimeFromNow":
        return f"time() - {metric.series}{MINE}"
    if metric.kind == "counter":
        return f"increase({metric.series}{MINE}[7d])"
    return f"{metric.series}{MINE}"


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it: one panel for each metric."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, metrics in ROWS.items():
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "gridPos": place})
        top += 1
        for number, metric in enumerate(metrics):
            across, down = number % (COLUMNS // WIDTH), number // (COLUMNS // WIDTH)
            place = {"h": HEIGHT, "w": WIDTH, "x": across * WIDTH, "y": top + down * HEIGHT}
            panels.append({"id": len(panels) + 1, "gridPos": place} | _panel(metric))
        top += -(-len(metrics) // (COLUMNS // WIDTH)) * HEIGHT
    return {
        "uid": "portfolio-warehouse",
        "title": "Portfolio warehouse",
        "tags": ["portfolio"],
        "timezone": "utc",
        "schemaVersion": 39,
        "refresh": "1m",
        "time": {"from": "now-90d", "to": "now"},
        "templating": {"list": _variables()},
        "panels": panels,
    }


def content() -> str:
    """The dashboard as it stands in its file."""
    return json.dumps(dashboard(), indent=1, sort_keys=True) + "\n"


def _panel(metric: Metric) -> dict[str, Any]:
    unit = "s" if metric.unit == "dateTimeFromNow" else metric.unit
    legend = " ".join(f"{{{{{label}}}}}" for label in metric.labels) or "{{portfolio}}"
    stacked = {"stacking": {"mode": "normal"}, "fillOpacity": 40} if "symbol" in metric.labels else {}
    is_state = unit == "bool" and bool(metric.labels)
    return {
        "type": "state-timeline" if is_state else "timeseries",
        "title": metric.name.removeprefix("portfolio_").replace("_", " "),
        "description": metric.help,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": unit, "custom": stacked}, "overrides": []},
        "targets": [{"refId": "A", "datasource": SOURCE, "expr": query(metric), "legendFormat": legend}],
    }


def _variables() -> list[dict[str, Any]]:
    portfolios = "label_values(portfolio_run_success, portfolio)"
    return [
        {"name": "source", "type": "datasource", "query": "prometheus"},
        {
            "name": "portfolio",
            "type": "query",
            "datasource": SOURCE,
            "query": portfolios,
            "definition": portfolios,
            "includeAll": True,
            "multi": True,
            "refresh": 2,
        },
    ]


if __name__ == "__main__":
    FILE.write_text(content(), "utf-8")
