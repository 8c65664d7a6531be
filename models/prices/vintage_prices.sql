-- Bars of each vintage in the base currency, at the rate known when the bar was:
-- one row per symbol, vintage and session_date.
with
    base as (select min(base_currency) as base_currency from {{ ref("clocks") }}),
    quoted as (
        select bars.*, assets.currency, assets.currency = base.base_currency as is_base
        from {{ ref("vintage_bars") }} as bars
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        cross join base
    ),
    converted as (
        select quoted.*, 1.0::double as fx_rate
        from quoted
        where quoted.is_base
        union all by name
        select quoted.*, rates.rate as fx_rate
        from quoted
        asof join
            {{ ref("fx_rates") }} as rates
            on rates.currency = quoted.currency
            and quoted.printed_at >= rates.known_at
        where not quoted.is_base
    )
select
    symbol,
    vintage,
    bar_number,
    session_date,
    is_own,
    is_late,
    opened_at,
    closed_at,
    fill_at,
    fill_price,
    fill_price * fx_rate as fill_price_base,
    high,
    low,
    close,
    close * fx_rate as close_base,
    volume,
    fx_rate,
    close / lag(close) over by_bar - 1 as simple_return,
    ln(close / lag(close) over by_bar) as log_return,
    close * fx_rate / lag(close * fx_rate) over by_bar - 1 as simple_return_base,
    ln(close * fx_rate / lag(close * fx_rate) over by_bar) as log_return_base,
    version_known_at,
    known_at
from converted
window by_bar as (partition by symbol, vintage order by bar_number)
