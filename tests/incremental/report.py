"""What a new day costs, and whether what has grown is what is made anew. Writes RESULTS.md.

Runs the small world at every event, or day by day, and a world of walks for a few days.

    python -m tests.incremental.report [--days 250] [--assets 24,8,8] [--since 2014-01-01]
"""

import argparse
import datetime as dt
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd

from flows import landing, pipeline, rebalance
from flows.growth import growth
from flows.publish import PUBLISHED
from flows.requests import RebalanceRequest
from python_steps import policy as policies
from python_steps.land_bars import next_batch_id
from tests.incremental.growing import LOOKS_BACK, GrowingDbt, begin, compute, different, made_anew, opened
from tests.worlds import landed, small, walks

RESULTS = Path(__file__).parent / "RESULTS.md"
UNTIL = dt.date(2019, 6, 28)
NEW_DAYS = (3, 4, 5)  # after it
DAY = dt.timedelta(days=1)
POLICY = """
extends: default
learners: [ridge]
signals:
  [momentum_12m, momentum_1m, reversal_1w, rsi_14d, zscore_1m, class_momentum_6m, low_beta_12m, donchian_3m]
"""


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a run: its models, and all else that it computes."""

    as_of: dt.datetime
    since: dt.datetime | None
    models: float
    steps: float


def main() -> None:
    """Measure, compare, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=0, help="the last so many days; every event unless given")
    parser.add_argument("--assets", default="24,8,8", help="stocks, coins and pairs of the walks")
    parser.add_argument("--since", type=dt.date.fromisoformat, default=dt.date(2014, 1, 1))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="incremental-") as place:
        lines = grown_small(Path(place) / "small", asked.days)
        lines += grown_walks(Path(place) / "walks", asked.assets, asked.since)
    RESULTS.write_text("# What `make incremental` measured\n\n" + "\n".join(lines) + "\n", "utf-8")


def grown_small(folder: Path, days: int) -> list[str]:
    """The small world, run by run, compared with one made anew at its end."""
    folder.mkdir()
    world = small.build(folder)
    file = folder / PUBLISHED
    shutil.copy(world.origin.file, file)
    with opened(file) as con:
        con.execute("delete from raw.runs")
    dbt = GrowingDbt(file)
    dbt.compile()
    events = sorted({*small.CUTS.values(), *small.RUNS})
    last = small.RUNS[-1]
    instants = [last - back * DAY for back in range(days, -1, -1)] if days else events
    costs = []
    for instant in instants:
        run, how = begin(file, world, instant)
        costs.append(measured(run, dbt.to(file, how.since)))
    anew = made_anew(file, run, dbt, folder / "anew" / PUBLISHED)
    found = {table: rows for table, rows in different(anew, file).items() if table not in LOOKS_BACK}
    added = [cost for cost in costs if cost.since]
    return [
        f"The small world, run {len(costs)} times, {len(added)} of them added to the run before. Tables that"
        f" are not those made anew, to the bit: {', '.join(found) or 'none'}.",
        "",
    ]


def grown_walks(folder: Path, assets: str, since: dt.date) -> list[str]:
    """Walks landed day by day: what the last days cost, beside the first run."""
    counts = dict(zip(("equity", "crypto", "fx"), map(int, assets.split(",")), strict=True))
    bars = walks.panel(counts, since, UNTIL + 10 * DAY)
    world = landed.land(folder, bars[bars["date"] <= UNTIL], POLICY)
    dbt = GrowingDbt(world.file)
    dbt.compile()
    whole = measured(world.run, dbt.to(world.file, None))
    days = [measured(*one) for one in new_days(folder, bars, dbt, world.file)]
    models, steps = (median(getattr(day, name) for day in days) for name in ("models", "steps"))
    return [
        f"{sum(counts.values())} walks since {since}, {(bars['date'] <= UNTIL).sum():,} bars, 8 signals that"
        " trade (all are made) and a learner; CPU seconds, without dbt and its tests:",
        "",
        "| | models | steps |",
        "| --- | ---: | ---: |",
        f"| the first run | {whole.models:.1f} | {whole.steps:.1f} |",
        f"| a new day | {models:.1f} | {steps:.1f} |",
        f"| | 1/{whole.models / models:.0f} | 1/{whole.steps / steps:.0f} |",
    ]


def new_days(
    folder: Path, bars: pd.DataFrame, dbt: GrowingDbt, file: Path
) -> Iterator[tuple[pipeline.Run, GrowingDbt]]:
    """Land the bars of one day more, and begin a run of it."""
    name, policy = policies.load(str(folder / "world.yml"))
    for back in NEW_DAYS:
        new = folder / f"bars_{back}.parquet"
        bars[(bars["date"] > UNTIL - 3 * DAY) & (bars["date"] <= UNTIL + back * DAY)].to_parquet(
            new, index=False
        )
        run_id = f"{name}-{back}"
        with opened(file) as con:
            batch = next_batch_id(con)
            request = RebalanceRequest(portfolio=str(folder / "world.yml"), bars=[new])
            told = {"batch_id": batch, "run_id": run_id, "loaded_at": landed.WALL_CLOCK}
            as_of = landing.land(con, request, {name: policy}, **told).as_of
            bounds = {"as_of": as_of, "batch_until": batch, "started_at": landed.WALL_CLOCK}
            rebalance.begin(con, run_id=run_id, portfolio=name, policy=policy, **bounds)
            how = growth(con)
        yield pipeline.Run(file, run_id, name, policy, pd.Timestamp(as_of), batch), dbt.to(file, how.since)


def measured(run: pipeline.Run, dbt: GrowingDbt) -> Cost:
    """Compute a run."""
    dbt.seconds.clear()
    begun = time.process_time()
    compute(run, dbt)
    models = sum(dbt.seconds.values())
    return Cost(run.as_of.to_pydatetime(), dbt.since, models, time.process_time() - begun - models)


if __name__ == "__main__":
    main()
