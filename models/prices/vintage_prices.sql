-- Bars of each vintage in the base currency, at the rate known when the bar was, and with the splits and
-- dividends that the vintage knows: one row per symbol, vintage and session_date. Prices are as they were
-- paid; shares and cash are what one share of before the first action has become and brought by then.
with
    base as (select min(base_currency) as base_currency from {{ ref("clocks") }}),
    quoted as (
        select
            bars.*,
            assets.currency,
            assets.currency = base.base_currency as is_base,
            assets.asset_class = 'fx' and assets.currency <> base.base_currency as is_notional,
            assets.asset_class = 'fx'
            and bars.symbol = base.base_currency || '-' || assets.currency as is_inverse
        from {{ sliced(ref("vintage_bars")) }} as bars
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        cross join base
    ),
    converted as (
        select
            quoted.*,
            case when quoted.is_inverse then 1 / quoted.close else 1.0::double end as fx_rate,
            case when quoted.is_inverse then 1 / quoted.fill_price else 1.0::double end as fill_fx_rate
        from quoted
        where quoted.is_base or quoted.is_inverse
        union all by name
        select quoted.*, rates.rate as fx_rate, rates.rate as fill_fx_rate
        from quoted
        asof join
            {{ ref("fx_rates") }} as rates
            on rates.currency = quoted.currency
            and quoted.printed_at >= rates.known_at
        where not quoted.is_base and not quoted.is_inverse
    ),
    told as (
        select
            converted.* exclude (version_known_at),
            coalesce(actions.shares, 1.0) as shares,
            coalesce(actions.cash, 0.0) as cash,
            greatest(converted.version_known_at, actions.known_at) as version_known_at
        from converted
        asof left join
            {{ ref("vintage_actions") }} as actions
            on actions.symbol = converted.symbol
            and actions.vintage = converted.vintage
            and converted.session_date >= actions.ex_date
    ),
    grown as (
        select
            *,
            close * shares / lag(close * shares) over by_bar as growth,
            case
                when is_notional
                then
                    1
                    + {{
                        notional_return(
                            "lag(close) over by_bar",
                            "close",
                            "lag(fx_rate) over by_bar",
                            "fx_rate",
                        )
                    }}
                else close * shares * fx_rate / lag(close * shares * fx_rate) over by_bar
            end as growth_base,
            (cash - lag(cash) over by_bar)
            * fx_rate
            / lag(close * shares * fx_rate) over by_bar as dividend_return
        from told
        window by_bar as (partition by symbol, vintage order by bar_number)
    )
select
    symbol,
    vintage,
    bar_number,
    session_date,
    is_own,
    is_late,
    is_notional,
    opened_at,
    closed_at,
    fill_at,
    fill_price,
    fill_price * fill_fx_rate as fill_price_base,
    open,
    high,
    low,
    has_range,
    close,
    close * fx_rate as close_base,
    volume,
    fx_rate,
    fill_fx_rate,
    shares,
    cash,
    growth - 1 as simple_return,
    ln(growth) as log_return,
    growth_base - 1 as simple_return_base,
    ln(growth_base) as log_return_base,
    growth_base - 1 + dividend_return as total_return,
    ln(growth_base + dividend_return) as log_total_return,
    version_known_at,
    known_at
from grown
