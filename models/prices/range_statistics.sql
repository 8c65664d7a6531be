-- Channels, and ranges of the day: one row per symbol and session_date. What is made of the day's range is
-- null unless the feed told a high and a low of every bar of the span: a close put in their place would be a
-- day without any range. Channels hold closes where a feed has no more.
with
    measured as (
        select
            bars.*,
            case when bars.has_range then ln(bars.high / bars.low) end as log_range,
            case when bars.has_range then ln(bars.close / bars.open) end as log_body,
            case
                when bars.has_range
                then
                    ln(greatest(bars.high, bars.close / exp(bars.log_return)))
                    - ln(least(bars.low, bars.close / exp(bars.log_return)))
            end as log_true_range,
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
            count(*) over before_year >= bars_per_year as has_year_before,
            count(log_range) over past_month >= bars_per_month as has_month,
            count(log_range) over past_year >= bars_per_year as has_year,
            count(log_range + log_body) over past_quarter >= bars_per_quarter as has_quarter_of_bodies,
            max(high) over before_year as high_before_year,
            min(low) over before_year as low_before_year,
            {{ exact_mean("log_true_range", "past_month") }} as true_range_month,
            {% for span in ["month", "quarter", "year"] %}
                {{ exact_square_mean("log_range", "past_" ~ span) }} as square_range_{{ span }},
            {% endfor %}
            {% for span in ["month", "quarter"] %}
                {{ exact_square_mean("log_body", "past_" ~ span) }} as square_body_{{ span }},
            {% endfor %}
            max(version_known_at) over (
                partition by symbol, vintage
                order by bar_number rows between bars_per_year preceding and current row
            ) as known_at
        from measured
        window
            {{ rows_back("past_month", "bars_per_month") }},
            {{ rows_back("past_quarter", "bars_per_quarter") }},
            {{ rows_back("past_year", "bars_per_year") }},
            before_year as (
                partition by symbol, vintage
                order by bar_number rows between bars_per_year preceding and 1 preceding
            )
    )
select
    symbol,
    session_date,
    case when has_year_before then high_before_year end as high_before_year,
    case when has_year_before then low_before_year end as low_before_year,
    case when has_month then nullif(true_range_month, 0) end as true_range_month,
    case when has_month then nullif(sqrt(square_range_month / (4 * ln(2))), 0) end as parkinson_month,
    case when has_year then nullif(sqrt(square_range_year / (4 * ln(2))), 0) end as parkinson_year,
    {% for span in ["month", "quarter"] %}
        case
            when has_quarter_of_bodies
            then
                sqrt(
                    nullif(
                        greatest(0.5 * square_range_{{ span }} - (2 * ln(2) - 1) * square_body_{{ span }}, 0),
                        0
                    )
                )
        end as garman_klass_{{ span }},
    {% endfor %}
    known_at
from rolled
where is_own
