"""The stages of a landing as SQL: each makes a temporary table from those before it.

They read landing_rows, landing_payloads, landing_assets and landing_reasons, and the seeds as study_<name>.
Each vendor's versions of a bar are a chain of their own; the vendor in force says which chain is used.
"""

# A row that names no vendor speaks for the vendor in force of its asset. Sessions are those of the feed,
# where it has others than the asset. A row that has only instants belongs to the session in which the middle
# of its period lies, because vendors differ by hours on where a day of currencies or coins begins.
PLACED = """
create temp table landing_placed as
with calendar as (
    select venue, session_date::date as session_date, opened_at::timestamp as opened_at,
        closed_at::timestamp as closed_at
    from study_sessions
),
venues as (
    select study_venues.venue, to_minutes(lag_minutes::bigint) as lag,
        min(session_date) as calendar_from, max(session_date) as calendar_to
    from study_venues left join calendar on calendar.venue = study_venues.venue
    group by all
),
spoken as (
    select landing_rows.* exclude (vendor), landing_rows.vendor as told_vendor,
        coalesce(
            landing_rows.vendor, nullif(landing_payloads.vendor, 'file'), in_force.vendor, 'file'
        ) as vendor
    from landing_rows
    join landing_payloads using (payload_number)
    left join raw.asset_vendors as in_force on in_force.symbol = landing_rows.symbol
),
told as (
    select payload_number, row_number, spoken.symbol, coalesce(feeds.venue, assets.venue) as venue,
        open, high, low, close, volume, spoken.vendor, told_vendor, session_date as told_date,
        opened_at as told_opened_at, closed_at as told_closed_at, known_at as told_known_at,
        recorded_at as told_recorded_at,
        make_timestamp((epoch_us(opened_at) + epoch_us(closed_at)) // 2) as middle
    from spoken
    join landing_assets as assets on assets.symbol = spoken.symbol
    left join study_feeds as feeds on feeds.symbol = spoken.symbol and feeds.vendor = spoken.vendor
),
placed as (
    select told.*, calendar.opened_at as session_opened_at, calendar.closed_at as session_closed_at,
        told_date as session_date,
        calendar.venue is not null and coalesce(
            told_opened_at <= calendar.closed_at and told_closed_at >= calendar.opened_at, true
        ) as is_session,
        coalesce(periods.opened_at <= middle and periods.session_date < told_date, false)
            as is_labelled_by_end
    from told
    left join calendar on calendar.venue = told.venue and calendar.session_date = told_date
    asof left join calendar as periods on periods.venue = told.venue and periods.closed_at >= middle
    where told_date is not null
    union all
    select told.*, calendar.opened_at, calendar.closed_at,
        case when calendar.opened_at <= middle then calendar.session_date end,
        coalesce(calendar.opened_at <= middle, false), false
    from told
    asof left join calendar on calendar.venue = told.venue and calendar.closed_at >= middle
    where told_date is null
)
select placed.* exclude (session_opened_at, session_closed_at, middle),
    coalesce(told_opened_at, session_opened_at) as period_opened_at,
    coalesce(told_closed_at, session_closed_at) as closed_at,
    case when open is null then closed_at else period_opened_at end as opened_at,
    coalesce(told_known_at, closed_at + lag) as available_at,
    close is not null and isfinite(close) and coalesce(isfinite(open), true)
        and coalesce(isfinite(high), true) and coalesce(isfinite(low), true) as is_finite,
    calendar_from, calendar_to,
    coalesce(
        coalesce(session_date, told_opened_at::date) >= asked_from
        and coalesce(session_date, told_opened_at::date) < asked_until,
        true
    ) as is_asked
from placed
join venues using (venue)
join landing_payloads using (payload_number)
"""

# A vendor may tell of sessions that nobody asked for: they stay in its payload.
DATED = "create temp table landing_dated as select * exclude (is_asked) from landing_placed where is_asked"

UNREADABLE = """
create temp table landing_unreadable as
select landing_not_read.*,
    coalesce(session_date >= asked_from and session_date < asked_until, true) as is_asked
from landing_not_read join landing_payloads using (payload_number)
"""

# Rows of one payload that tell of the same bar at the same time: the first of equal ones may stay,
# and none where they differ, for nobody knows which is right.
REPEATS = """
create temp table landing_repeats as
with crowded as (
    select payload_number, symbol, session_date, vendor, told_recorded_at, told_known_at
    from landing_dated
    where session_date is not null
    group by all
    having count(*) > 1
)
select ours.payload_number, ours.row_number,
    row_number() over (
        partition by ours.payload_number, ours.symbol, ours.session_date, ours.vendor, ours.told_recorded_at,
            ours.told_known_at, opened_at, closed_at, open, high, low, close, volume
        order by ours.row_number
    ) > 1 as is_repeated,
    count(distinct (opened_at, closed_at, open, high, low, close, volume)) over (
        partition by ours.payload_number, ours.symbol, ours.session_date, ours.vendor, ours.told_recorded_at,
            ours.told_known_at
    ) > 1 as is_conflicting
from landing_dated as ours
join crowded as theirs
    on ours.payload_number = theirs.payload_number and ours.symbol = theirs.symbol
    and ours.session_date = theirs.session_date and ours.vendor = theirs.vendor
    and ours.told_recorded_at is not distinct from theirs.told_recorded_at
    and ours.told_known_at is not distinct from theirs.told_known_at
"""

SAME_VALUES = " and ".join(
    f"ours.{name} is not distinct from theirs.{name}"
    for name in ("opened_at", "closed_at", "open", "high", "low", "close", "volume")
)

# A row refused for its time that has been landed since is no news. What could not even be read comes with it.
REFUSED = f"""
create temp table landing_refused as
with refused as (
    select payload_number, row_number, symbol, coalesce(session_date, told_opened_at::date) as session_date,
        reason, detail, ours.vendor, source,
        json_object(
            'symbol', symbol, 'date', told_date, 'opened_at', told_opened_at, 'closed_at', told_closed_at,
            'open', open::varchar, 'high', high::varchar, 'low', low::varchar, 'close', close::varchar,
            'volume', volume::varchar, 'known_at', told_known_at, 'recorded_at', told_recorded_at,
            'vendor', told_vendor
        )::varchar as row_json
    from landing_reasons
    join landing_dated as ours using (payload_number, row_number)
    join landing_payloads using (payload_number)
    where not is_of_time or not exists (
        from raw.bars as theirs
        where theirs.symbol = ours.symbol and theirs.session_date = ours.session_date
            and theirs.vendor = ours.vendor and {SAME_VALUES}
    )
    union all
    select payload_number, row_number, asked_symbol, session_date, reason, detail, vendor, source, row_json
    from landing_unreadable
    join landing_payloads using (payload_number)
    where is_asked
)
select *, not exists (
    from raw.quarantined_bars as earlier
    where earlier.row_json = refused.row_json and earlier.reason = refused.reason
        and earlier.vendor = refused.vendor and earlier.symbol is not distinct from refused.symbol
        and earlier.session_date is not distinct from refused.session_date
) as is_new
from refused
"""

# A bar whose first print was refused has no honest first version any more: what follows is a restatement.
GOOD = """
create temp table landing_good as
with refused as (
    select symbol, session_date, vendor,
        min((coalesce(told_recorded_at, $as_of), payload_number, row_number)) as first_place
    from landing_dated semi join landing_reasons using (payload_number, row_number)
    group by symbol, session_date, vendor
)
select landing_dated.*, coalesce(told_recorded_at, $as_of) as recorded_at,
    coalesce(first_place < (recorded_at, payload_number, row_number), false) as follows_refused
from landing_dated
anti join landing_reasons using (payload_number, row_number)
left join refused using (symbol, session_date, vendor)
"""

LANDED = """
create temp table landing_landed as
from raw.bars semi join landing_good using (symbol, session_date, vendor)
"""

# A row that says when it was recorded or known was seen before if it equals the version in force then.
SEEN = f"""
create temp table landing_seen as
select ours.payload_number, ours.row_number
from landing_good as ours
join landing_landed as theirs using (symbol, session_date, vendor)
where case
    when told_recorded_at is not null
        then (theirs.recorded_at, theirs.available_at) <= (ours.recorded_at, ours.available_at)
    when told_known_at is not null then theirs.available_at <= ours.available_at
end
group by ours.payload_number, ours.row_number
having arg_max({SAME_VALUES}, theirs.version)
"""

VERSIONS = """
create temp table landing_versions as
with last_landed as (
    select symbol, session_date, vendor, version, known_at,
        (opened_at, closed_at, open, high, low, close, volume) as last_values
    from landing_landed
    semi join (
        select symbol, session_date, vendor, max(version) as version from landing_landed group by all
    ) using (symbol, session_date, vendor, version)
),
told as (
    select *, (opened_at, closed_at, open, high, low, close, volume) as bar_values
    from landing_good anti join landing_seen using (payload_number, row_number)
),
compared as (
    select told.*, last_landed.version as last_version, last_landed.known_at as last_known_at,
        coalesce(lag(bar_values) over told_order, last_values) as values_before
    from told left join last_landed using (symbol, session_date, vendor)
    window told_order as (
        partition by symbol, session_date, vendor
        order by recorded_at, available_at, payload_number, row_number
    )
),
numbered as (
    select *, coalesce(last_version, 0) + row_number() over told_order as version
    from compared
    where values_before is distinct from bar_values
    window told_order as (
        partition by symbol, session_date, vendor
        order by recorded_at, available_at, payload_number, row_number
    )
),
claimed as (
    select *, case
        when version = 1 and not follows_refused
            and (landing_new_symbols.symbol is not null or available_at > $before::timestamp)
        then available_at
        else greatest(available_at, recorded_at)
    end as claimed_known_at
    from numbered left join landing_new_symbols using (symbol)
)
select * exclude (bar_values, values_before),
    greatest(last_known_at, max(claimed_known_at) over so_far) as known_at
from claimed
window so_far as (partition by symbol, session_date, vendor order by version)
"""

NEW_SYMBOLS = """
create temp table landing_new_symbols as
select distinct symbol from landing_good
anti join (select symbol from raw.bars where batch_id < $batch_id) using (symbol)
"""

# Of the vendors in a symbol's first batch the one that goes first among its feeds, then by name. Once chosen
# it stays, so that it is known from the start, and what another vendor tells later changes no bar in use.
ASSET_VENDORS = """
insert into raw.asset_vendors by name
with first_batches as (
    select symbol, min(batch_id) as batch_id from raw.bars anti join raw.asset_vendors using (symbol)
    group by symbol
)
select batch_id, symbol, arg_min(vendor, (coalesce(precedence::bigint, 9999), vendor)) as vendor
from raw.bars
join first_batches using (symbol, batch_id)
left join study_feeds using (symbol, vendor)
group by batch_id, symbol
order by symbol
"""

# What became of each row of a payload. Each count is taken where rows of its kind are, so that a row which a
# join has lost or doubled is missed here.
ACCOUNTS = """
with landed as (
    select payload_number, count(*) as rows_landed, count(*) filter (version > 1) as rows_restated
    from landing_versions
    group by all
),
refused as (
    select payload_number, count(distinct row_number) as rows_quarantined, count(*) filter (is_new) as news
    from landing_refused
    group by all
),
kept as (
    select payload_number, row_number from landing_versions
    union all
    select payload_number, row_number from landing_refused
),
unchanged as (
    select payload_number, count(*) as rows_unchanged
    from landing_dated anti join kept using (payload_number, row_number)
    group by all
),
others as (
    select payload_number, count(*) as rows_not_asked
    from (
        select payload_number from landing_placed where not is_asked
        union all
        select payload_number from landing_unreadable where not is_asked
    )
    group by all
)
select payload_number, rows_seen, coalesce(rows_landed, 0), coalesce(rows_unchanged, 0),
    coalesce(rows_quarantined, 0), coalesce(rows_not_asked, 0), coalesce(rows_restated, 0), coalesce(news, 0)
from landing_payloads
left join landed using (payload_number)
left join unchanged using (payload_number)
left join refused using (payload_number)
left join others using (payload_number)
order by payload_number
"""
