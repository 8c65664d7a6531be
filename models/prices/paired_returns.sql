-- An asset's returns beside those of its market, of risk and of the base currency: one row per symbol,
-- vintage and session_date. own and own_beside_risk are null where nothing is beside them, as at a bar
-- that came late.
with
    beside as (
        select
            symbol,
            session_date,
            max(log_return) filter (where role = 'market') as market,
            max(log_return) filter (where role = 'risk') as risk,
            max(log_return) filter (where role = 'base') as base,
            known_at
        from {{ sliced(ref("basket_returns")) }}
        group by symbol, session_date, known_at
    )
select
    bars.symbol,
    bars.vintage,
    bars.bar_number,
    bars.session_date,
    bars.is_own,
    case when beside.market is not null then bars.log_total_return end as own,
    beside.market,
    case when beside.risk is not null then bars.log_total_return end as own_beside_risk,
    beside.risk,
    beside.base,
    bars.known_at
from {{ sliced(ref("vintage_returns")) }} as bars
left join beside on beside.symbol = bars.symbol and beside.session_date = bars.session_date
