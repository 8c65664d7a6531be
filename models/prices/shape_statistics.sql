-- How daily total returns are spread: one row per symbol and session_date. Falls alone, skewness, the largest
-- rise, and how much volatility itself moves; each is null until there are as many bars.
with
    measured as (
        select bars.*, greatest(- bars.log_total_return, 0) as loss, classes.* exclude (asset_class)
        from {{ sliced(ref("vintage_returns")) }} as bars
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
    ),
    sized as (
        select
            *,
            case
                when count(*) over past_month >= bars_per_month
                then ln(nullif({{ exact_deviation("log_total_return", "past_month") }}, 0))
            end as log_deviation
        from measured
        window {{ rows_back("past_month", "bars_per_month") }}
    ),
    rolled as (
        select
            symbol,
            session_date,
            is_own,
            count(*) over past_month >= bars_per_month as has_month,
            count(*) over past_quarter >= bars_per_quarter as has_quarter,
            count(log_deviation) over past_half >= bars_per_half as has_half_of_deviations,
            count(*) over past_year >= bars_per_year as has_year,
            max(log_total_return) over past_month as highest_return_month,
            sqrt({{ exact_square_mean("loss", "past_quarter") }}) as downside_quarter,
            sqrt({{ exact_square_mean("loss", "past_year") }}) as downside_year,
            {{ exact_skewness("log_total_return", "past_quarter") }} as skewness_quarter,
            {{ exact_deviation("log_deviation", "past_quarter") }} as volatility_of_volatility_quarter,
            {{ exact_deviation("log_deviation", "past_half") }} as volatility_of_volatility_half,
            max(version_known_at) over past_year as known_at
        from sized
        window
            {{ rows_back("past_month", "bars_per_month") }},
            {{ rows_back("past_quarter", "bars_per_quarter") }},
            {{ rows_back("past_half", "bars_per_half") }},
            {{ rows_back("past_year", "bars_per_year") }}
    )
select
    symbol,
    session_date,
    case when has_month then highest_return_month end as highest_return_month,
    case when has_quarter then nullif(downside_quarter, 0) end as downside_quarter,
    case when has_year then nullif(downside_year, 0) end as downside_year,
    case when has_quarter then skewness_quarter end as skewness_quarter,
    case
        when has_half_of_deviations then nullif(volatility_of_volatility_quarter, 0)
    end as volatility_of_volatility_quarter,
    case
        when has_half_of_deviations then nullif(volatility_of_volatility_half, 0)
    end as volatility_of_volatility_half,
    known_at
from rolled
where is_own
