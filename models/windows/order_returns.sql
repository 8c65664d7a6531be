-- Return of one unit from each fill to its exit, in the base currency, dividends among it: one row per clock,
-- symbol and decision_at of a filled order, once the exit is known. Where a feed is not adjusted, both prices
-- are the first prints, which were paid; else those of the vintage in which the exit first appeared, so that
-- no back-adjusted level is compared across vintages. Splits and dividends between are those known by then.
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
                when assets.adjustment = 'none' then fills.fill_vintage else exits.exit_vintage
            end as entry_vintage,
            exits.exit_session,
            exits.exit_vintage,
            exits.exit_at,
            fills.cost_rate,
            exits.is_closing,
            greatest(fills.known_at, exits.known_at) as known_at
        from {{ ref("order_exits") }} as exits
        inner join
            {{ ref("order_fills") }} as fills
            on fills.clock = exits.clock
            and fills.symbol = exits.symbol
            and fills.decision_at = exits.decision_at
        inner join {{ ref("assets") }} as assets on assets.symbol = exits.symbol
    ),
    told as (
        select trips.*, vintages.vintage as told_vintage
        from trips
        asof join
            {{ ref("vintages") }} as vintages
            on vintages.symbol = trips.symbol
            and trips.known_at >= vintages.from_at
    ),
    priced as (
        select
            told.*,
            entry.fill_price,
            entry.fill_fx_rate,
            case when told.is_closing then exit.close else exit.fill_price end as exit_price,
            case when told.is_closing then exit.fx_rate else exit.fill_fx_rate end as exit_fx_rate,
            exit.is_notional
        from told
        inner join
            {{ ref("vintage_prices") }} as entry
            on entry.symbol = told.symbol
            and entry.vintage = told.entry_vintage
            and entry.session_date = told.fill_session
        inner join
            {{ ref("vintage_prices") }} as exit
            on exit.symbol = told.symbol
            and exit.vintage = told.exit_vintage
            and exit.session_date = told.exit_session
    )
select
    priced.clock,
    priced.symbol,
    priced.decision_at,
    priced.decision_number,
    priced.fill_session,
    priced.fill_at,
    priced.fill_price,
    priced.fill_fx_rate,
    priced.exit_session,
    priced.exit_at,
    priced.exit_price,
    priced.exit_fx_rate,
    case
        when priced.is_notional
        then
            {{
                notional_return(
                    "priced.fill_price",
                    "priced.exit_price",
                    "priced.fill_fx_rate",
                    "priced.exit_fx_rate",
                )
            }}
        else
            {{ worth_of_a_share("priced.exit_price", "bought", "sold") }}
            * priced.exit_fx_rate
            / (priced.fill_price * priced.fill_fx_rate)
            - 1
    end as unit_return,
    priced.cost_rate,
    priced.is_closing,
    priced.known_at
from priced
asof left join
    {{ ref("vintage_actions") }} as bought
    on bought.symbol = priced.symbol
    and bought.vintage = priced.told_vintage
    and priced.fill_session >= bought.ex_date
asof left join
    {{ ref("vintage_actions") }} as sold
    on sold.symbol = priced.symbol
    and sold.vintage = priced.told_vintage
    and priced.exit_session >= sold.ex_date
