-- Where each filled order ends: at the next fill, or at the last close of an asset that ends; one row per
-- clock, symbol and decision_at of a filled order, once every order up to the exit is settled. Where the end
-- was told late and the last fill came after it, the last close is that of the fill's session.
with
    episodes as (
        select
            *,
            count(*) filter (where status = 'filled') over (
                partition by clock, symbol
                order by decision_number
                rows between unbounded preceding and current row
            ) as episode
        from {{ unfinished(ref("order_fills")) }}
    ),
    fills as (select * from episodes where status = 'filled'),
    settled as (
        select clock, symbol, episode, max(known_at) as known_at from episodes group by clock, symbol, episode
    ),
    pending as (
        select bars.clock, bars.symbol
        from {{ ref("decision_bars") }} as bars
        left join
            {{ ref("order_fills") }} as orders
            on orders.clock = bars.clock
            and orders.symbol = bars.symbol
            and orders.decision_at = bars.decision_at
        where orders.decision_at is null
    )
select
    fills.clock,
    fills.symbol,
    fills.decision_at,
    exits.fill_session as exit_session,
    exits.fill_vintage as exit_vintage,
    exits.fill_at as exit_at,
    false as is_closing,
    greatest(settled.known_at, exits.known_at) as known_at
from fills
inner join
    fills as exits
    on exits.clock = fills.clock
    and exits.symbol = fills.symbol
    and exits.episode = fills.episode + 1
inner join
    settled
    on settled.clock = fills.clock
    and settled.symbol = fills.symbol
    and settled.episode = fills.episode
union all
select
    fills.clock,
    fills.symbol,
    fills.decision_at,
    prices.session_date as exit_session,
    prices.vintage as exit_vintage,
    prices.closed_at as exit_at,
    true as is_closing,
    greatest(settled.known_at, last_bars.known_at) as known_at
from fills
inner join {{ ref("last_bars") }} as last_bars on last_bars.symbol = fills.symbol
inner join
    {{ ref("vintage_prices") }} as prices
    on prices.symbol = fills.symbol
    and prices.session_date = greatest(last_bars.session_date, fills.fill_session)
    and prices.is_own
inner join
    settled
    on settled.clock = fills.clock
    and settled.symbol = fills.symbol
    and settled.episode = fills.episode
inner join
    (select clock, symbol, max(episode) as episode from fills group by clock, symbol) as newest
    on newest.clock = fills.clock
    and newest.symbol = fills.symbol
    and newest.episode = fills.episode
where not exists (from pending where pending.clock = fills.clock and pending.symbol = fills.symbol)
