-- How another vendor's close differs from that of the vendor in force, as both first told it: one row per
-- symbol, session_date and other vendor. Feeds may be adjusted otherwise or close at another hour, so a
-- difference counts from their usual one. best_shift is the session of the other vendor, counted from this
-- one, whose moves are at least twice as near as those of the same day: where it is not 0, they are a day
-- apart. A pair that was known after one of a later session is not compared.
with
    paired as (
        select
            ours.symbol,
            ours.session_date,
            ours.vendor,
            theirs.vendor as other_vendor,
            ours.close,
            theirs.close as other_close,
            greatest(ours.known_at, theirs.known_at) as known_at
        from {{ ref("told_bars") }} as ours
        inner join
            {{ ref("stg_bars") }} as theirs
            on theirs.symbol = ours.symbol
            and theirs.session_date = ours.session_date
            and theirs.vendor <> ours.vendor
        where ours.version = 1 and theirs.version = 1
    ),
    in_order as (
        select *
        from paired
        window
            before_now as (
                partition by symbol, other_vendor
                order by known_at
                range between unbounded preceding and current row exclude group
            )
        qualify coalesce(max(session_date) over before_now < session_date, true)
    ),
    moved as (
        select
            *,
            ln(other_close / close) as difference,
            ln(close / lag(close) over by_session) as move,
            ln(other_close / lag(other_close) over by_session) as other_move
        from in_order
        window by_session as (partition by symbol, other_vendor order by session_date)
    ),
    compared as (
        select
            *,
            abs(other_move - move) as gap,
            abs(lag(other_move) over by_session - move) as gap_to_earlier,
            abs(other_move - lag(move) over by_session) as gap_to_later
        from moved
        window by_session as (partition by symbol, other_vendor order by session_date)
    ),
    measured as (
        select
            *,
            case
                when count(*) over before_quarter >= 20 then median(difference) over before_quarter else 0
            end as usual_difference,
            median(gap) over past_quarter as usual_gap,
            median(gap_to_earlier) over past_quarter as usual_gap_to_earlier,
            median(gap_to_later) over past_quarter as usual_gap_to_later,
            count(*) over past_quarter >= 20 as has_month
        from compared
        window
            before_quarter as (
                partition by symbol, other_vendor
                order by session_date
                rows between 60 preceding and 1 preceding
            ),
            past_quarter as (
                partition by symbol, other_vendor
                order by session_date
                rows between 60 preceding and current row
            )
    )
select
    measured.symbol,
    measured.session_date,
    measured.vendor,
    measured.other_vendor,
    measured.close,
    measured.other_close,
    measured.difference,
    measured.usual_difference,
    abs(measured.difference - measured.usual_difference) > limits.vendor_tolerance as is_beyond,
    case
        when not measured.has_month
        then 0
        when measured.usual_gap_to_earlier < measured.usual_gap / 2
        then -1
        when measured.usual_gap_to_later < measured.usual_gap / 2
        then 1
        else 0
    end as best_shift,
    measured.known_at
from measured
inner join {{ ref("assets") }} as assets on assets.symbol = measured.symbol
inner join {{ ref("quality_limits") }} as limits on limits.asset_class = assets.asset_class
