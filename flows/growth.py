"""Whether a run adds to the tables of the run before it, or makes all of them anew, and why."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Growth:
    """`since` is the instant by which all was known that stands already, None where nothing may stay; `why`
    says what is against it."""

    since: dt.datetime | None
    why: tuple[str, ...] = ()


def growth(con: "duckdb.DuckDBPyConnection") -> Growth:
    """How the runs that have begun in a working file may be made, in one go: they have no outcome yet.

    What was known by `since` must be the same for them as for the last run that ended. So the code, the study
    and the policies are the same, no symbol and no portfolio is new, and nothing was landed meanwhile that was
    known by then.
    """
    why = tuple(reason for (reason,) in con.execute(AGAINST).fetchall())
    if why:
        return Growth(None, why)
    ((since,),) = con.execute(SINCE).fetchall()
    return Growth(since)


# Portfolios are run together or one by one, and the tables of each end where its own last run did.
SINCE = """
    select min(as_of) as as_of
    from (select max(as_of) as as_of from raw.runs where outcome is not null group by portfolio)
"""

AGAINST = f"""
    with
        before as (
            select as_of, batch_until, code_version, lock_hash
            from raw.runs where outcome is not null order by run_number desc limit 1
        ),
        bounds as ({SINCE}),
        begun as (from raw.runs where outcome is null),
        since_then as (
            select before.batch_until as after, max(begun.batch_until) as until
            from before cross join begun group by before.batch_until
        ),
        landed as (
            select batch_id, known_at from raw.bars
            union all
            select batch_id, known_at from raw.actions
            union all
            select batch_id, known_at from raw.quarantined_bars
        ),
        told as (
            select batch_id from raw.study
            union all
            select batch_id from raw.policies
            union all
            select batch_id from raw.assets
            union all
            select batch_id from raw.asset_vendors
            union all
            select min(batch_id) from raw.bars group by symbol
        )
    select 'no run before' as reason
    where not exists (from before)
    union all
    select 'other code or packages'
    where exists (from before inner join begun on
        (begun.code_version, begun.lock_hash) is distinct from (before.code_version, before.lock_hash))
    union all
    select 'a new portfolio'
    where exists (from begun where portfolio not in (select portfolio from raw.runs where outcome is not null))
    union all
    select 'other assets, policies or study'
    where exists (from told, since_then where told.batch_id > after and told.batch_id <= until)
    union all
    select 'news of the past'
    where exists (
        from landed, since_then, bounds
        where landed.batch_id > after and landed.batch_id <= until and landed.known_at <= bounds.as_of
    )
    union all
    select 'it ends before the run before it'
    where exists (from begun, before where begun.as_of < before.as_of)
"""
