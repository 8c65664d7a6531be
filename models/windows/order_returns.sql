-- Return of one unit from each fill to its exit, in the base currency: one row per clock, symbol and
-- decision_at of a filled order, once the exit is known. Both prices are those of the vintage in which
-- the exit first appeared, so no back-adjusted level is compared across vintages.
select
    fills.clock,
    fills.symbol,
    fills.decision_at,
    fills.decision_number,
    fills.fill_session,
    fills.fill_at,
    entry.fill_price,
    exits.exit_session,
    exits.exit_at,
    case when exits.is_closing then exit.close else exit.fill_price end as exit_price,
    case when exits.is_closing then exit.close_base else exit.fill_price_base end / entry.fill_price_base
    - 1 as unit_return,
    fills.cost_rate,
    exits.is_closing,
    greatest(fills.known_at, exits.known_at) as known_at
from {{ ref("order_exits") }} as exits
inner join
    {{ ref("order_fills") }} as fills
    on fills.clock = exits.clock
    and fills.symbol = exits.symbol
    and fills.decision_at = exits.decision_at
inner join
    {{ ref("vintage_prices") }} as entry
    on entry.symbol = exits.symbol
    and entry.vintage = exits.exit_vintage
    and entry.session_date = fills.fill_session
inner join
    {{ ref("vintage_prices") }} as exit
    on exit.symbol = exits.symbol
    and exit.vintage = exits.exit_vintage
    and exit.session_date = exits.exit_session
