"""How far the other vendors of an asset are from the one in force, and when that was known."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from flows.guards.identity.prints import lateness
from flows.guards.identity.raw_world import days, microseconds

QUARTER, FEW = 60, 20


def differences(told: pd.DataFrame, others: pd.DataFrame, tolerances: Mapping[str, float]) -> pd.DataFrame:
    """Pairs of first closes: symbol, session_date, other_vendor, known_at, is_beyond and best_shift.

    `told` and `others` are rows of raw.bars; `tolerances` is by symbol, in log.
    """
    first = [rows[rows["version"] == 1] for rows in (told, others)]
    pairs = first[0].merge(first[1], on=["symbol", "session_date"], suffixes=("", "_other"))
    parts = [
        _of_one(rows, tolerances[str(symbol)])
        for (symbol, _), rows in pairs.groupby(["symbol", "vendor_other"], sort=True)
    ]
    columns = ["symbol", "session_date", "other_vendor", "known_at", "is_beyond", "best_shift"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _of_one(rows: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    rows = rows.sort_values("session_date")
    known = np.maximum(microseconds(rows["known_at"]), microseconds(rows["known_at_other"]))
    is_in_order = ~lateness(days(rows["session_date"]), known)[1]
    rows, known = rows[is_in_order].reset_index(drop=True), known[is_in_order]
    ours, theirs = np.log(rows["close"]), np.log(rows["close_other"])
    apart, move, other = theirs - ours, ours.diff(), theirs.diff()
    usual = apart.rolling(QUARTER, min_periods=FEW).median().shift(1).fillna(0.0)
    gap, earlier, later = (
        one.abs().rolling(QUARTER + 1, min_periods=1).median()
        for one in (other - move, other.shift(1) - move, other - move.shift(1))
    )
    shift = np.select([earlier < gap / 2, later < gap / 2], [-1, 1], 0)
    return pd.DataFrame(
        {
            "symbol": rows["symbol"],
            "session_date": rows["session_date"],
            "other_vendor": rows["vendor_other"],
            "known_at": known,
            "is_beyond": (apart - usual).abs() > tolerance,
            "best_shift": np.where(np.arange(len(rows)) >= FEW - 1, shift, 0),
        }
    )
