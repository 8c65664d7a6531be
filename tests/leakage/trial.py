"""One trial inside one copy of the project: the guards, by name, on what the copy builds."""

import datetime as dt
from functools import cached_property
from pathlib import Path
from typing import Any

from flows import landing, rebalance
from flows.guards.findings import Finding
from flows.publish import PUBLISHED
from flows.requests import RebalanceRequest
from python_steps import policy as policies
from python_steps import warehouse
from python_steps.land_bars import next_batch_id
from tests.leakage.catalogue import Mutant
from tests.leakage.compare import differences
from tests.worlds import small
from tests.worlds.recorded import RecordedDbt


def land(folder):
    file = folder / "grown" / PUBLISHED
    file.parent.mkdir(parents=True)
    (folder / f"{small.PORTFOLIO}.yml").write_text(small.POLICY, "utf-8")
    name, policy = policies.load(folder / f"{small.PORTFOLIO}.yml")
    for number, as_of in enumerate(small.RUNS):
        request = RebalanceRequest(portfolio=name, as_of=as_of, bars=[small._bars_file(folder, number)], assets=small._assets_file(folder, number))
        con = warehouse.connect(file)
        try:
            warehouse.create_tables(con)
            landing.land(con, request, name, policy, batch_id=next_batch_id(con), run_id=f"{name}-{as_of:%Y%m%d}", loaded_at=small.WALL_CLOCK)
            since = small.RUNS[number - 1] if number else dt.datetime.min
            for instant in sorted({as_of, *(cut for cut in small.CUTS.values() if since < cut <= as_of)}):
                rebalance.begin(con, run_id=f"{name}-{instant:%Y%m%d-%H%M}", portfolio=name, policy=policy, as_of=instant, batch_until=next_batch_id(con) - 1, started_at=small.WALL_CLOCK, holdings={})
        finally:
            con.close()


def tried(mutant, world):
    import os
    here = Path.cwd() / "build"
    here.mkdir()
    if mutant.lands:
        land(here)
        file = here / "grown" / PUBLISHED
    else:
        file = world / "grown" / PUBLISHED
        (here / f"{small.PORTFOLIO}.yml").write_text(small.POLICY, "utf-8")
    dbt = RecordedDbt(here / "dbt0" / PUBLISHED)
    dbt.file.parent.mkdir()
    w = small.World(here, file, file, dbt, [])
    guards = [mutant.guard] if mutant.guard else []
    tried = []
    for guard in [*guards, "cut_off"]:
        found = GUARDS.get(guard, lambda *a: [])(w, mutant)
        named = [f for f in found if mutant.is_named_by(str(f))]
        if named:
            return {"guard": guard, "finding": str(named[0]), "named": True}
        if found:
            tried += found
    return {"guard": tried[0].guard if tried else None, "finding": str(tried[0]) if tried else None, "named": False}


def cut_off(w, mutant):
    at = small.CUTS.get(mutant.cut or "") or small.CUTS["in the middle of a test span, at a decision"]
    files = []
    for side, until in (("whole", None), ("cut", at)):
        f = w.rebuilt(side, until)
        w.compute(f)
        files.append(f)
    return [Finding("cut_off", "anticipates", d.table, str(d)) for d in differences(files[0], files[1], at)]

GUARDS = {"cut_off": cut_off}
