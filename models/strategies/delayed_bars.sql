-- What a decision would stand on if all knowledge came later, by one bar of the asset or by one day:
-- one row per clock, delay, symbol and decision_at. A shifted stamp is no older than five days; without a
-- delay this would be decision_bars.
with
    stands as (
        select clock, symbol, session_date, max(decision_at) as decision_at
        from {{ ref("decision_bars") }}
        group by clock, symbol, session_date
    ),
    a_bar_late as (
        select bars.*, before.session_date as seen_session, stands.decision_at as forecast_at
        from {{ news(ref("decision_bars")) }} as bars
        inner join
            {{ ref("price_index") }} as index
            on index.symbol = bars.symbol
            and index.session_date = bars.session_date
        left join
            {{ ref("price_index") }} as before
            on before.symbol = index.symbol
            and before.print_number = index.print_number - 1
        asof left join
            stands
            on stands.clock = bars.clock
            and stands.symbol = bars.symbol
            and stands.session_date < bars.session_date
    ),
    a_day_late as (
        select bars.*, index.session_date as seen_session, index.known_at as seen_at
        from {{ news(ref("decision_bars")) }} as bars
        asof left join
            {{ ref("price_index") }} as index
            on index.symbol = bars.symbol
            and index.known_at <= bars.decision_at - interval 1 day
    )
select
    clock,
    'bar' as delay,
    symbol,
    decision_at,
    decision_number,
    case when bar_known_at >= decision_at - interval 5 day then seen_session end as session_date,
    decision_at as signal_until,
    case when bar_known_at >= decision_at - interval 5 day then forecast_at end as forecast_at,
    known_at
from a_bar_late
union all
select
    late.clock,
    'day' as delay,
    late.symbol,
    late.decision_at,
    late.decision_number,
    case when late.seen_at >= late.decision_at - interval 6 day then late.seen_session end as session_date,
    late.decision_at - interval 1 day as signal_until,
    case
        when earlier.decision_at >= late.decision_at - interval 6 day then earlier.decision_at
    end as forecast_at,
    late.known_at
from a_day_late as late
asof left join
    {{ ref("decision_bars") }} as earlier
    on earlier.clock = late.clock
    and earlier.symbol = late.symbol
    and earlier.decision_at <= late.decision_at - interval 1 day
