"""What a leak is called, by the way it came in."""

from flows.guards.static_sql_facts import (
    DATE,
    DAY,
    EVENT,
    Col,
    Token,
)
from flows.guards.static_sql_scopes import Reader, Use

PROFITS = {"order_returns", "order_fills", "order_exits", "strategy_pnl", "booked_pnl", "in_sample_pnl",
           "window_metrics", "span_sums", "block_sums", "settled_spans", "portfolio_returns"}  # fmt: skip


HELD = {"positions", "scores", "readings", "forecasts", "steps.forecasts"}


def last_name(col: Col) -> str | None:
    """The column that one is another name of, or is computed from alone."""
    if col.ident is not None:
        return col.ident.column
    names = {name.split(".")[-1] for name in col.names}
    return names.pop() if len(names) == 1 else None


def name_of(reader: Reader, token: Token, stamp: Col | None) -> tuple[str, int, str]:
    """What a use that no stamp covers is called: the leak, its line, and the evidence."""
    uses = [reader.seen[number] for number in token.path]
    leaf = uses[-1]
    if leaf.leak is not None:
        return leaf.leak, leaf.line, leaf.evidence
    tags = set().union(*(use.tags for use in uses))
    if token.column == "membership_known_at":
        return "survivorship", leaf.line, "a membership used before it was known"
    place = uses[0] if uses[0].table in {"subquery", "union"} and len(uses) > 1 else leaf
    evidence = f"rows of {leaf.table} used before they were known"
    return _leak(reader, leaf, tags, stamp), place.line, evidence


def _leak(reader: Reader, leaf: Use, tags: set[str], stamp: Col | None) -> str:
    tables = leaf.tables
    if "labels" in tables:
        if reader.model != "examples":
            return "target_in_features"
        return "test_in_train" if any(t.startswith("by:test_until") for t in tags) else "no_purge"
    if "memberships" in tables or (tables <= {"raw.assets", "raw.study"} and tables):
        return "survivorship"
    if "scalar" in tags and "forward" in tags and "aggregated" not in tags:
        return "looks_ahead"
    if "aggregated" in tags or "scalar" in tags:
        if tables & PROFITS:
            return "chosen_by_result"
        return "survivorship" if "filter" in tags else "whole_sample"
    if "filter" in tags:
        return "survivorship"
    if stamp is not None and stamp.early:
        return stamp.early
    if stamp is not None and stamp.kind in {DATE, DAY}:
        return "event_time"
    if stamp is not None and stamp.kind == EVENT:
        return {"opened_at": "unfinished_bar"}.get(last_name(stamp) or "", "loader_clock")
    if tables & HELD and "forward" in tags:
        return "early_fill"
    if "allowance" in tags:
        return "not_simultaneous"
    if "forward" in tags and not any(t.startswith("by:") for t in tags):
        return "looks_ahead"
    if tables & {"steps.forecasts", "forecasts"}:
        return "test_in_train"
    if tables & PROFITS:
        return "early_profit"
    if "date<=" in tags:
        return "event_time"
    if leaf.version_of is not None and "version" in leaf.version_of.columns:
        return "restated_value"
    return "not_simultaneous" if "date=" in tags and "symbol=" not in tags else "event_time"
