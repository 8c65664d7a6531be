"""A warehouse grown run by run, as a user's is; and the same SQL as dbt runs it, twenty times as fast."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from flows.dbt import Dbt
from flows.guards.compiled import CompiledDbt

SOME_DAY = dt.datetime(2001, 2, 3, 4, 5, 6, 7)  # compiled for; each run puts its own in its place


@dataclass
class GrowingDbt(CompiledDbt):
    """A CompiledDbt that grows tables where `since` is given, as macros/grown.sql does."""

    grown: dict[str, str] = field(default_factory=dict, repr=False)

    def to(self, file: Path, since: dt.datetime | None) -> Self:
        """The same on a file, from an instant on."""
        return replace(self.on(file), since=since)

    def compile(self) -> None:
        super().compile()
        if self.grown:
            return
        dbt = Dbt(self.file, project=self.project)
        listed = ["compile", "--vars", f"{{since: '{SOME_DAY}'}}"]
        dbt._invoke(listed, manifest=dbt.manifest)
        nodes = dbt.manifest.nodes.values()
        self.grown.update({one.name: one.compiled_code for one in nodes if one.resource_type == "model"})

    def run(
        self, *, select: Sequence[str] = (), exclude: Sequence[str] = (), full_refresh: bool = False
    ) -> None:
        if self.since is None:
            super().run(select=select, exclude=exclude)
        else:
            self._each(self._selected(select, exclude, "model"), self._grow)

    def _grow(self, con: Any, node: Any) -> None:
        name, columns = f'main."{node.name}"', list(node.columns)
        code = self.grown[node.name].replace(str(SOME_DAY), str(self.since))
        if node.config.materialized == "view":
            con.execute(f"create or replace view {name} as {node.compiled_code}")
            return
        keys, end = node.config.meta.get("keys", []), node.config.meta.get("end")
        listed = ", ".join(f'"{column}"' for column in columns)
        if not keys and "known_at" not in columns:
            con.execute(f"delete from {name}")
            con.execute(f"insert into {name} select {listed} from ({code}\n)")
            return
        is_new = f"> timestamp '{self.since}'"
        stamps = [column for column in ("known_at", end) if column in columns]
        wanted = " or ".join(f"{stamp} {is_new}" for stamp in stamps) or "true"
        con.execute(f"create or replace temp table news as select {listed} from ({code}\n) where {wanted}")
        if "known_at" in columns:
            con.execute(f"delete from {name} where known_at {is_new}")
        if keys:
            same = " and ".join(f"stood.{key} = news.{key}" for key in keys)
            con.execute(f"delete from {name} as stood using news where {same}")
        con.execute(f"insert into {name} ({listed}) from news")
