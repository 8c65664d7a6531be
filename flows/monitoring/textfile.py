"""The metrics of a run as a text file, in the format that node_exporter's textfile collector reads."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from flows.monitoring.metrics import DECISION, METRICS, Metric, Sample, Told
from flows.outputs import Evidence
from flows.publish import write_atomically

if TYPE_CHECKING:
    import duckdb

DECISION_FILE = "metrics.prom"
ATTEMPT_FILE = "attempt.prom"
Family = GaugeMetricFamily | CounterMetricFamily
KINDS: dict[str, type[Family]] = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}

# What was landed by the run that made the decision.
LAST_BARS_SQL = """
    select vendor, max(available_at) as available_at
    from raw.bars where known_at <= $as_of
    group by vendor order by vendor
"""
QUARANTINED_SQL = """
    select vendor, reason, count(*) as quarantined
    from main.quarantined_bars where known_at <= $as_of
    group by vendor, reason order by vendor, reason
"""


def told(con: "duckdb.DuckDBPyConnection", evidence: Evidence) -> Told:
    """What the metrics of a decision are read from."""
    as_of = {"as_of": evidence.as_of}
    return Told(evidence, con.execute(LAST_BARS_SQL, as_of).df(), con.execute(QUARANTINED_SQL, as_of).df())


def write_decision(found: Told, out: Path) -> Path:
    """Write the metrics of a decision beside its other files, whole or not at all."""
    samples = {metric: metric.read(found) for metric in DECISION if metric.read}
    write_atomically(out / DECISION_FILE, render({found.evidence.portfolio: samples}))
    return out / DECISION_FILE


def write_attempt(values: Mapping[str, Iterable[Sample]], portfolios: Sequence[str], out: Path) -> Path:
    """Write the metrics of an attempt at a run, by name, for each portfolio that it was for."""
    samples = {METRICS[name]: list(rows) for name, rows in values.items()}
    write_atomically(out / ATTEMPT_FILE, render(dict.fromkeys(portfolios, samples)))
    return out / ATTEMPT_FILE


def render(portfolios: Mapping[str, Mapping[Metric, Iterable[Sample]]]) -> bytes:
    """Samples by portfolio and metric as Prometheus reads them; what is undefined has no line."""
    families: dict[Metric, Family] = {}
    for portfolio, metrics in portfolios.items():
        for metric, samples in metrics.items():
            labels = ("portfolio", *metric.labels)
            family = families.setdefault(metric, KINDS[metric.kind](metric.name, metric.help, labels=labels))
            for *values, number in samples:
                if number is not None:
                    family.add_metric([portfolio, *map(str, values)], number)
    registry = CollectorRegistry()
    registry.register(_Given(list(families.values())))
    return generate_latest(registry)


class _Given(Collector):
    def __init__(self, families: list[Family]) -> None:
        self.families = families

    def collect(self) -> Iterable[Family]:
        return self.families
