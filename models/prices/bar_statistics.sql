-- Every rolling sum, deviation and extreme that signals need, computed once, of total returns and of prices
-- without splits: one row per symbol and session_date. A week, month, quarter and year are counted in the
-- asset's own bars, so a year is 252 for a stock and 365 for a coin.
with
    measured as (
        select
            bars.*,
            case when assets.adjustment = 'none' then bars.close_base end as price_level,
            greatest(bars.log_total_return, 0) as gain,
            greatest(- bars.log_total_return, 0) as loss,
            case when abs(bars.normalised_return) >= 2 then sign(bars.log_total_return) else 0 end as shock,
            classes.bars_per_week,
            classes.bars_per_month,
            classes.bars_per_quarter,
            classes.bars_per_half,
            classes.bars_per_year
        from {{ sliced(ref("vintage_returns")) }} as bars
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
    ),
    rolled as (
        select
            symbol,
            session_date,
            is_own,
            is_late,
            price_level,
            count(*) over past_year >= bars_per_year as has_year,
            count(*) over past_half >= bars_per_half as has_half,
            count(*) over past_quarter >= bars_per_quarter as has_quarter,
            count(*) over past_month >= bars_per_month as has_month,
            count(*) over past_fortnight >= 14 as has_fortnight,
            count(*) over before_month >= bars_per_month as has_month_before,
            count(*) over before_quarter >= bars_per_quarter as has_quarter_before,
            count(normalised_return) over past_week >= bars_per_week as has_shocks,
            {{ exact_sum("log_total_return", "past_week") }} as log_return_week,
            {{ exact_sum("log_total_return", "past_month") }} as log_return_month,
            {{ exact_sum("log_total_return", "past_quarter") }} as log_return_quarter,
            {{ exact_sum("log_total_return", "past_half") }} as log_return_half,
            {{ exact_sum("log_total_return", "past_year") }} as log_return_year,
            {{ exact_deviation("log_total_return", "past_month") }} as deviation_month,
            {{ exact_deviation("log_total_return", "past_quarter") }} as deviation_quarter,
            {{ exact_deviation("log_total_return", "past_half") }} as deviation_half,
            {{ exact_deviation("log_total_return", "past_year") }} as deviation_year,
            {{ exact_sum("gain", "past_fortnight") }} as gain_14d,
            {{ exact_sum("loss", "past_fortnight") }} as loss_14d,
            {{ exact_sum("shock", "past_week") }} as shock_week,
            max(high) over before_month as high_before_month,
            min(low) over before_month as low_before_month,
            max(high) over before_quarter as high_before_quarter,
            min(low) over before_quarter as low_before_quarter,
            max(high) over past_year as high_year,
            min(low) over past_year as low_year,
            close,
            max(version_known_at) over past_year as known_at
        from measured
        window
            {{ rows_back("past_week", "bars_per_week") }},
            {{ rows_back("past_fortnight", 14) }},
            {{ rows_back("past_month", "bars_per_month") }},
            {{ rows_back("past_quarter", "bars_per_quarter") }},
            {{ rows_back("past_half", "bars_per_half") }},
            {{ rows_back("past_year", "bars_per_year") }},
            before_month as (
                partition by symbol, vintage
                order by bar_number rows between bars_per_month preceding and 1 preceding
            ),
            before_quarter as (
                partition by symbol, vintage
                order by bar_number rows between bars_per_quarter preceding and 1 preceding
            )
    )
select
    symbol,
    session_date,
    is_late,
    close,
    price_level,
    log_return_week,
    case when has_month then log_return_month end as log_return_month,
    case when has_quarter then log_return_quarter end as log_return_quarter,
    case when has_half then log_return_half end as log_return_half,
    case when has_year then log_return_year end as log_return_year,
    case when has_month then nullif(deviation_month, 0) end as deviation_month,
    case when has_quarter then nullif(deviation_quarter, 0) end as deviation_quarter,
    case when has_half then nullif(deviation_half, 0) end as deviation_half,
    case when has_year then nullif(deviation_year, 0) end as deviation_year,
    case when has_fortnight then nullif(gain_14d + loss_14d, 0) end as movement_14d,
    gain_14d,
    case when has_shocks then shock_week end as shock_week,
    case when has_month_before then high_before_month end as high_before_month,
    case when has_month_before then low_before_month end as low_before_month,
    case when has_quarter_before then high_before_quarter end as high_before_quarter,
    case when has_quarter_before then low_before_quarter end as low_before_quarter,
    case when has_year then high_year end as high_year,
    case when has_year then low_year end as low_year,
    known_at
from rolled
where is_own
