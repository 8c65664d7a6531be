-- Where each filled order ends: at the next fill, or at the last close of an asset that ends:
-- one row per clock, symbol and decision_at of a filled order, once every order up to the exit is settled.
with
    episodes as (
        select
            *,
            count(*) filter (where status = 'filled') over (
                partition by clock, symbol
                order by decision_number
                rows between unbounded preceding and current row
            ) as episode
        from {{ ref("order_fills") }}
    ),
    fills as (select * from episodes where status = 'filled'),
    settled as (
        select clock, symbol, episode, max(known_at) as known_at from episodes group by clock, symbol, episode
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
    last_bars.session_date as exit_session,
    last_bars.vintage as exit_vintage,
    last_bars.closed_at as exit_at,
    true as is_closing,
    greatest(fills.known_at, last_bars.known_at) as known_at
from fills
inner join {{ ref("last_bars") }} as last_bars on last_bars.symbol = fills.symbol
inner join
    (select clock, symbol, max(episode) as episode from fills group by clock, symbol) as newest
    on newest.clock = fills.clock
    and newest.symbol = fills.symbol
    and newest.episode = fills.episode
