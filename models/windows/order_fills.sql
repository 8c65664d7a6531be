-- What became of the order of each decision: one row per clock, symbol and decision_at, once it is settled.
-- Filled at the open of the first session from rebalance_date on, or the close where a feed has no open;
-- superseded when a later decision fills in the same session; lapsed when the bar is unknown as the next
-- session closes. Sessions are those that the calendar had when it was decided.
with
    orders as (
        select
            bars.clock,
            bars.symbol,
            bars.decision_at,
            bars.decision_number,
            bars.rebalance_date,
            assets.venue,
            calendars.edition,
            costs.cost_rate
        from {{ ref("decision_bars") }} as bars
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        inner join
            {{ ref("calendar_editions") }} as calendars
            on calendars.venue = assets.venue
            and bars.decision_at >= calendars.known_from
            and bars.decision_at < calendars.known_until
        inner join
            {{ ref("asset_costs") }} as costs on costs.clock = bars.clock and costs.symbol = bars.symbol
        where {{ not_kept("bars", ["clock", "symbol", "decision_at"]) }}
    ),
    addressed as (
        select
            orders.*,
            sessions.session_date as fill_session,
            next_session.closed_at as lapses_at,
            following.decision_at as next_decision_at,
            following.rebalance_date <= sessions.session_date as is_superseded
        from orders
        asof join
            {{ ref("known_sessions") }} as sessions
            on sessions.venue = orders.venue
            and sessions.edition = orders.edition
            and orders.rebalance_date <= sessions.session_date
        inner join
            {{ ref("known_sessions") }} as next_session
            on next_session.venue = sessions.venue
            and next_session.edition = sessions.edition
            and next_session.session_number = sessions.session_number + 1
        inner join
            {{ ref("clock_instants") }} as following
            on following.clock = orders.clock
            and following.decision_number = orders.decision_number + 1
    ),
    settled as (
        select
            addressed.*,
            prices.vintage,
            prices.fill_at,
            prices.fill_price,
            prices.fill_fx_rate,
            case
                when prices.is_notional
                then
                    index.index_level / (
                        1
                        + {{
                            notional_return(
                                "prices.fill_price",
                                "prices.close",
                                "prices.fill_fx_rate",
                                "prices.fx_rate",
                            )
                        }}
                    )
                else index.index_level * prices.fill_price_base / prices.close_base
            end as fill_index,
            coalesce(prices.known_at <= addressed.lapses_at, false) as is_printed,
            prices.known_at as print_known_at
        from addressed
        left join
            {{ ref("vintage_prices") }} as prices
            on prices.symbol = addressed.symbol
            and prices.session_date = addressed.fill_session
            and prices.is_own
            and not prices.is_late
        left join
            {{ ref("price_index") }} as index
            on index.symbol = addressed.symbol
            and index.session_date = addressed.fill_session
    ),
    told as (
        select
            *,
            case
                when is_superseded then 'superseded' when is_printed then 'filled' else 'lapsed'
            end as status,
            case
                when is_superseded then next_decision_at when is_printed then print_known_at else lapses_at
            end as known_at
        from settled
    )
select
    told.clock,
    told.symbol,
    told.decision_at,
    told.decision_number,
    told.status,
    told.fill_session,
    case when told.status = 'filled' then told.vintage end as fill_vintage,
    case when told.status = 'filled' then told.fill_at end as fill_at,
    case when told.status = 'filled' then told.fill_price end as fill_price,
    case when told.status = 'filled' then told.fill_fx_rate end as fill_fx_rate,
    case when told.status = 'filled' then told.fill_index end as fill_index,
    told.cost_rate,
    told.known_at
from told
cross join {{ ref("run_bounds") }} as bounds
where told.known_at <= bounds.as_of
