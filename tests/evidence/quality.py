"""What the rules of quality find, miss and raise without need: planted dirt, the clean sample, real dirt.

Run it with `python -m tests.evidence.quality [PATH ...]`: it writes QUALITY.md. Paths are Parquet files of
bars (symbol, asset_class, date, open, high, low, close, volume, source), each source a vendor; or of splits
(symbol, date, split), which are then taken out of the adjusted bars of the other files and looked for.
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flows.dbt import Dbt
from python_steps.study import SEEDS
from tests.evidence import dirt
from tests.worlds import landed

PAGE = Path(__file__).parent / "QUALITY.md"
SEED = 20170101
POLICY = "extends: default\n"
VENUES = {"equity": "XNYS", "crypto": "CRYPTO", "fx": "FX"}
FALLS = "true −50 %"
NEAR = pd.Timedelta(days=20)  # alarms so soon after an event are of it

SUSPECTS = """
    select suspects.symbol, suspects.session_date as date, suspects.reason, verdicts.verdict,
        verdicts.witness, verdicts.known_at > suspects.known_at as is_out
    from main.suspect_bars as suspects
    left join main.bar_verdicts as verdicts using (symbol, session_date, version)
"""
REFUSED = "select symbol, session_date as date, reason from raw.quarantined_bars"
APART = """
    select symbol, vendor, other_vendor, count(*) as sessions, count(*) filter (is_beyond) as beyond,
        count(*) filter (best_shift <> 0) as a_day_apart, mode(best_shift) as shift
    from main.vendor_differences group by all order by all
"""


@dataclass(frozen=True)
class Judged:
    """What the rules said of a file of bars: refused rows, suspects with their verdict, vendors, holes."""

    rows: int
    refused: pd.DataFrame
    suspects: pd.DataFrame
    beyond: pd.DataFrame
    apart: pd.DataFrame
    missing: pd.DataFrame


def judge(folder: Path, bars: pd.DataFrame, assets: pd.DataFrame | None = None) -> Judged:
    """Land bars in a new warehouse in a folder, and build the models of quality."""
    world = landed.land(folder, bars, POLICY, assets)
    Dbt(world.file).run(select=["+data_quality", "+bar_verdicts", "+vendor_differences"])
    missing = "select distinct symbol from main.data_quality where flags like '%missing_in_a_row%'"
    beyond = """
        select symbol, session_date as date from main.vendor_differences where is_beyond and best_shift = 0
    """
    return Judged(
        len(bars),
        world.query(REFUSED),
        world.query(SUSPECTS),
        world.query(beyond),
        world.query(APART),
        world.query(missing),
    )


def score(judged: Judged, places: pd.DataFrame) -> pd.DataFrame:
    """By kind of dirt: planted, found, missed, and the rules that found it, most often first."""
    alarms = pd.concat(
        [
            judged.refused,
            judged.suspects[judged.suspects["verdict"] != "acquitted"],
            judged.beyond.assign(reason="vendors_disagree"),
        ]
    )
    apart = judged.apart.loc[judged.apart["a_day_apart"] > judged.apart["sessions"] / 2, "symbol"]
    found = []
    for kind, symbol, date in places.itertuples(index=False):
        at, mine = pd.Timestamp(date), alarms[alarms["symbol"] == symbol]
        until = at + (NEAR if kind.startswith("stale") else pd.Timedelta(0))
        rules = mine.loc[mine["date"].between(at, until), "reason"].unique().tolist()
        if kind == "vendors a day apart" and symbol in set(apart):
            rules = ["best_shift"]
        if kind.startswith("hole") and symbol in set(judged.missing["symbol"]):
            rules = ["missing_in_a_row"]
        if kind.startswith(FALLS):
            rules = [] if rules else [_acquitted_by(judged, symbol, at)]
        found.append((kind, bool(rules), rules))
    frame = pd.DataFrame(found, columns=["kind", "is_found", "rules"])
    return frame.groupby("kind", sort=False).agg(
        planted=("is_found", "size"),
        found=("is_found", "sum"),
        rules=("rules", lambda lists: ", ".join(lists.explode().value_counts().index)),
    )


def _acquitted_by(judged: Judged, symbol: str, at: pd.Timestamp) -> str:
    suspects = judged.suspects
    mine = suspects[(suspects["symbol"] == symbol) & (suspects["date"] == at)]
    return f"acquitted by {mine['witness'].iloc[0]}" if len(mine) else "never suspect"


def false_alarms(judged: Judged, places: pd.DataFrame) -> pd.DataFrame:
    """Rows refused or suspect where nothing was planted: symbol, date, reason, verdict."""
    alarms = pd.concat([judged.refused, judged.suspects], ignore_index=True)
    is_true = [
        any(
            pd.isna(date) or pd.Timestamp(date) <= at <= pd.Timestamp(date) + NEAR
            for date in places.loc[places["symbol"] == symbol, "date"]
        )
        for symbol, at in zip(alarms["symbol"], alarms["date"], strict=True)
    ]
    return alarms[[not one for one in is_true]]


def sample() -> pd.DataFrame:
    """The embedded bars, which are clean."""
    return pd.read_parquet(SEEDS / "sample" / "bars.parquet").drop(columns="source")


def real(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bars of a file, each source a vendor, and the assets they are of; other classes are left out."""
    bars = pd.read_parquet(path)
    bars = bars[bars["asset_class"].isin(VENUES)]
    bars = bars.assign(vendor=bars["source"].str.split("[ (]").str[0]).drop(columns="source")
    assets = bars[["symbol", "asset_class"]].drop_duplicates("symbol")
    return bars, assets.assign(venue=assets["asset_class"].map(VENUES), currency="USD")


def unadjusted(bars: pd.DataFrame, actions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Stocks as they traded before their splits, and the splits: kind, symbol, date."""
    splits = actions[(actions["split"] > 0) & actions["symbol"].isin(bars["symbol"])]
    bars = bars[bars["symbol"].isin(splits["symbol"])].copy()
    for symbol, date, ratio in splits[["symbol", "date", "split"]].itertuples(index=False):
        is_before = (bars["symbol"] == symbol) & (pd.to_datetime(bars["date"]) < date)
        bars.loc[is_before, dirt.PRICES] *= ratio
        bars.loc[is_before, "volume"] /= ratio
    dates = pd.to_datetime(bars["date"]).groupby(bars["symbol"])
    first, last = (splits["symbol"].map(edge) for edge in (dates.min(), dates.max()))
    seen = splits[(splits["date"] > first) & (splits["date"] <= last)]
    return bars, seen.assign(kind="untold split")[["kind", "symbol", "date"]]


def main(paths: Sequence[str]) -> None:
    """Score, and write the page."""
    parts = [__doc__.split("\n\n")[0].replace("\n", " ")]
    with tempfile.TemporaryDirectory(prefix="quality-") as place:
        folder = Path(place)
        rows, places = dirt.planted(sample(), SEED)
        judged = judge(folder / "planted", rows)
        parts += ["## Planted in the sample", _table(score(judged, places).reset_index())]
        false = false_alarms(judged, places)
        parts += [f"Alarms where nothing was planted, in {judged.rows:,} rows:", _counts(false)]
        clean = judge(folder / "clean", sample())
        parts += [f"## The sample as it is: {clean.rows:,} rows", _counts(clean.suspects, clean.refused)]
        parts += [_table(clean.suspects.drop(columns="is_out").sort_values(["symbol", "date"]))]
        files = [Path(path) for path in paths]
        actions = [path for path in files if "split" in pd.read_parquet(path).columns]
        for path in files:
            if path not in actions:
                parts += _of_file(folder / path.stem, path, actions)
    PAGE.write_text("# What the rules of quality find\n\n" + "\n\n".join(parts) + "\n", "utf-8")


def _of_file(folder: Path, path: Path, actions: Sequence[Path]) -> list[str]:
    bars, assets = real(path)
    judged = judge(folder / "as it is", bars, assets)
    parts = [f"## {path.name}: {judged.rows:,} rows", _counts(judged.suspects, judged.refused)]
    if len(judged.apart):
        parts.append(_table(judged.apart))
    stocks = bars[bars["asset_class"] == "equity"]
    for file in actions if len(stocks) else ():
        split, places = unadjusted(stocks, pd.read_parquet(file))
        if len(places):
            said = judge(folder / "unadjusted", split, assets[assets["symbol"].isin(split["symbol"])])
            suspects = said.suspects.merge(places.assign(date=pd.to_datetime(places["date"])), how="right")
            suspects = suspects.fillna({"reason": "no alarm"})
            parts += ["Splits taken out of the adjustment, and told to nobody:", _counts(suspects)]
    return parts


def _counts(suspects: pd.DataFrame, refused: pd.DataFrame | None = None) -> str:
    """By rule: alarms, and how they ended."""
    alarms = pd.concat([suspects, refused], ignore_index=True) if refused is not None else suspects
    if alarms.empty:
        return "None."
    ended = (alarms["verdict"] + " by " + alarms["witness"]).fillna("refused or open")
    table = pd.crosstab(alarms["reason"], ended)
    return _table(table.assign(alarms=table.sum(axis=1)).reset_index())


def _table(frame: pd.DataFrame) -> str:
    frame = frame.assign(missed=frame["planted"] - frame["found"]) if "planted" in frame else frame
    lines = [frame.columns.tolist(), ["---"] * len(frame.columns)]
    lines += [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value.date()) if isinstance(value, pd.Timestamp) else str(value)


if __name__ == "__main__":
    main(sys.argv[1:])
