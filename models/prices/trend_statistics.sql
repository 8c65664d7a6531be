-- Where closes stand and which way they go: one row per symbol and session_date. Means, deviations and the
-- line through log closes of a week, month, quarter and year; each is null until there are as many bars.
with
    measured as (
        select
            bars.*,
            ln(bars.close) as log_close,
            abs(bars.log_total_return) as movement,
            classes.* exclude (asset_class)
        from {{ sliced(ref("vintage_returns")) }} as bars
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
    ),
    rolled as (
        select
            symbol,
            session_date,
            is_own,
            log_close,
            count(*) over past_week >= bars_per_week as has_week,
            count(*) over past_month >= bars_per_month as has_month,
            count(*) over past_quarter >= bars_per_quarter as has_quarter,
            count(*) over past_year >= bars_per_year as has_year,
            {{ exact_mean("log_close", "past_week") }} as mean_week,
            {{ exact_mean("log_close", "past_month") }} as mean_month,
            {{ exact_mean("log_close", "past_quarter") }} as mean_quarter,
            {{ exact_mean("log_close", "past_year") }} as mean_year,
            {{ exact_deviation("log_close", "past_week") }} as log_close_deviation_week,
            {{ exact_deviation("log_close", "past_month") }} as log_close_deviation_month,
            {{ exact_deviation("log_close", "past_quarter") }} as log_close_deviation_quarter,
            {{ exact_trend("log_close", "past_quarter") }} as trend_quarter,
            {{ exact_sum("movement", "past_month") }} as movement_month,
            max(version_known_at) over past_year as known_at
        from measured
        window
            {{ rows_back("past_week", "bars_per_week") }},
            {{ rows_back("past_month", "bars_per_month") }},
            {{ rows_back("past_quarter", "bars_per_quarter") }},
            {{ rows_back("past_year", "bars_per_year") }}
    )
select
    symbol,
    session_date,
    case when has_month then mean_week - mean_month end as log_week_over_month,
    case when has_quarter then mean_month - mean_quarter end as log_month_over_quarter,
    case when has_year then mean_quarter - mean_year end as log_quarter_over_year,
    case when has_month then log_close - mean_month end as log_close_over_month,
    case when has_year then log_close - mean_year end as log_close_over_year,
    {% for span in ["week", "month", "quarter"] %}
        case
            when has_{{ span }}
            then coalesce((log_close - mean_{{ span }}) / nullif(log_close_deviation_{{ span }}, 0), 0)
        end as log_close_zscore_{{ span }},
    {% endfor %}
    case when has_quarter then trend_quarter end as trend_quarter,
    case when has_month then nullif(movement_month, 0) end as movement_month,
    known_at
from rolled
where is_own
