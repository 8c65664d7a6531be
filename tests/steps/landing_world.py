"""A small world to land in: empty tables of sources.yml, the real seeds, and files made of a few lines."""

import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from python_steps import study, warehouse
from python_steps.adapters import file
from python_steps.land_bars import LandingReport, land_bars, latest_available_at
from python_steps.register_assets import Delivery

STUDY = study.tables(study.read_study())
# The days that most tests land bars of: a whole calendar costs each landing 20 ms.
SHORT_STUDY = STUDY | {
    "sessions": STUDY["sessions"].filter(
        (pc.field("session_date") >= "2018-12-01") & (pc.field("session_date") <= "2019-01-31")
    )
}
WALL_CLOCK = dt.datetime(2026, 1, 1)


def at(text: str) -> dt.datetime:
    """An instant from '2019-01-02 21:00'."""
    return dt.datetime.fromisoformat(text)


class World:
    """A warehouse with empty raw tables, and a folder to write files in."""

    def __init__(
        self,
        folder: Path,
        database: str | Path = ":memory:",
        seeds: Mapping[str, pa.Table] = SHORT_STUDY,
    ) -> None:
        self.folder = folder
        self.seeds = seeds
        self.con = warehouse.connect(database)
        self.batches = itertools.count(1)
        self.con.execute("create schema raw")
        for table, columns in warehouse.declared_columns().items():
            if table.startswith("raw."):
                body = ", ".join(f"{name} {kind}" for name, kind in columns.items())
                self.con.execute(f"create table {table} ({body})")

    def deliver(self, text: str, name: str = "my.csv") -> Delivery:
        """A CSV of bars; blanks around lines and commas are left out."""
        payload = self.fetch(text, name)
        return Delivery(file.parse(payload).rows, payload.payload_hash, payload.name)

    def deliver_assets(self, text: str, name: str = "assets.csv") -> Delivery:
        """A CSV of assets."""
        payload = self.fetch(text, name)
        return Delivery(file.parse_assets(payload).rows, payload.payload_hash, payload.name)

    def fetch(self, text: str, name: str) -> file.Payload:
        """Write a file and fetch it."""
        lines = (line.strip().replace(", ", ",") for line in text.strip().splitlines())
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return file.fetch(path)

    def land(
        self,
        *deliveries: Delivery | str,
        as_of: str | None = None,
        run_id: str | None = None,
        asset_file: Delivery | None = None,
    ) -> LandingReport:
        """Land files as one batch; the as_of is their latest available_at unless it is given."""
        batch_id = next(self.batches)
        rows = [self.deliver(item) if isinstance(item, str) else item for item in deliveries]
        return land_bars(
            self.con,
            rows,
            self.seeds,
            as_of=at(as_of)
            if as_of
            else latest_available_at(self.con, rows, self.seeds, asset_file=asset_file),
            batch_id=batch_id,
            run_id=run_id or f"run {batch_id}",
            loaded_at=WALL_CLOCK,
            asset_file=asset_file,
        )

    def rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        """Rows of a query over the warehouse."""
        return self.con.execute(query).fetchall()
