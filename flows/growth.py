"""Whether a run adds to the tables of the run before it, or makes all of them anew, and why."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Growth:
    """How a run makes its tables: `since` is when all was known that may stay, None where nothing may; `why`
    says what is against it."""

    since: dt.datetime | None
    why: tuple[str, ...] = ()


def growth(con: "duckdb.DuckDBPyConnection") -> Growth:
    """How the runs that have begun in a working file make their tables together: they have no outcome yet.

    What stands may stay if it is what they would make again: by the same code, study and policies, of the
    same symbols and for the same portfolios, with nothing landed meanwhile that was known by then.
    """
    ((since,),) = con.execute(SINCE).fetchall()
    why = tuple(sorted(reason for (reason,) in con.execute(AGAINST, {"since": since}).fetchall()))
    return Growth(None if why else since, why)


# Portfolios are run together or one by one, and what stands of each ends where its own last run did.
SINCE = """
    select min(as_of)
    from (select max(as_of) as as_of from raw.runs where outcome is not null group by portfolio)
"""

# A symbol is new with its first batch, which chooses its vendor.
AGAINST = """
    with
        ended as (from raw.runs where outcome is not null),
        before as (from ended order by run_number desc limit 1),
        begun as (from raw.runs where outcome is null),
        told as (
            select 'another study' as what, batch_id from raw.study
            union all
            select 'another policy', batch_id from raw.policies
            union all
            select 'a new symbol', batch_id from raw.asset_vendors
            union all
            select 'a new registration', batch_id from raw.assets
            union all
            select 'bars of the past', batch_id from raw.bars where known_at <= $since
            union all
            select 'actions of the past', batch_id from raw.actions where known_at <= $since
            union all
            select 'refusals of the past', batch_id from raw.quarantined_bars where known_at <= $since
        )
    select distinct what from told, before
    where told.batch_id > before.batch_until and told.batch_id <= (select max(batch_until) from begun)
    union all
    select 'no run before' where not exists (from before)
    union all
    select 'a new portfolio' where exists (from begun anti join ended using (portfolio))
    union all
    select distinct 'other code' from begun, before where begun.code_version <> before.code_version
    union all
    select distinct 'other packages' from begun, before where begun.lock_hash <> before.lock_hash
    union all
    select distinct 'an end before the last one' from begun, before where begun.as_of < before.as_of
"""
