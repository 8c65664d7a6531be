-- Return of one unit from each fill to its exit, in the base currency, dividends among it: one row per clock,
-- symbol and decision_at of a filled order, once the exit is known. Where a feed is not adjusted, both prices
-- are the first prints, which were paid; else those of the vintage in which the exit first appeared, so that
-- no back-adjusted level is compared across vintages. Splits and dividends between are those known by then.
-- borrow_cost is what a unit short cost to borrow from fill to exit.
with
    trips as (
        select
            fills.clock,
            fills.symbol,
            fills.decision_at,
            fills.decision_number,
            fills.fill_session,
            fills.fill_at,
            case
                when assets.adjustment = 'none' then fills.fill_price else entry.fill_price
            end as fill_price,
            case
                when assets.adjustment = 'none' then fills.fill_fx_rate else entry.fill_fx_rate
            end as fill_fx_rate,
            exits.exit_session,
            exits.exit_at,
            case when exits.is_closing then exit.close else exit.fill_price end as exit_price,
            case when exits.is_closing then exit.fx_rate else exit.fill_fx_rate end as exit_fx_rate,
            exit.is_notional,
            fills.cost_rate,
            costs.borrow_rate
            * date_diff('microsecond', fills.fill_at, exits.exit_at)
            / (365 * 86400e6) as borrow_cost,
            exits.is_closing,
            greatest(fills.known_at, exits.known_at) as known_at
        from {{ ref("order_exits") }} as exits
        inner join
            {{ ref("order_fills") }} as fills
            on fills.clock = exits.clock
            and fills.symbol = exits.symbol
            and fills.decision_at = exits.decision_at
        inner join {{ ref("assets") }} as assets on assets.symbol = exits.symbol
        inner join
            {{ ref("asset_costs") }} as costs on costs.clock = exits.clock and costs.symbol = exits.symbol
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
        where {{ not_kept("exits", ["clock", "symbol", "decision_at"]) }}
    ),
    told as (
        select
            trips.* exclude (known_at),
            vintages.vintage,
            greatest(trips.known_at, vintages.known_at) as known_at
        from trips
        asof join
            {{ ref("vintages") }} as vintages
            on vintages.symbol = trips.symbol
            and trips.known_at >= vintages.from_at
    )
select
    told.clock,
    told.symbol,
    told.decision_at,
    told.decision_number,
    told.fill_session,
    told.fill_at,
    told.fill_price,
    told.fill_fx_rate,
    told.exit_session,
    told.exit_at,
    told.exit_price,
    told.exit_fx_rate,
    case
        when told.is_notional
        then
            {{
                notional_return(
                    "told.fill_price", "told.exit_price", "told.fill_fx_rate", "told.exit_fx_rate"
                )
            }}
        else
            {{ worth_of_a_share("told.exit_price", "bought", "sold") }}
            * told.exit_fx_rate
            / (told.fill_price * told.fill_fx_rate)
            - 1
    end as unit_return,
    told.cost_rate,
    told.borrow_cost,
    told.is_closing,
    greatest(told.known_at, bought.known_at, sold.known_at) as known_at
from told {{ actions_between("told", "vintage", "fill_session", "exit_session") }}
