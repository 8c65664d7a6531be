-- What the calendar says of the sessions to come, from the bars of a year: one row per symbol and
-- session_date. after_weekday looks at the returns of bars whose bar before fell on the weekday of this
-- one; month_year_ago is that of the month of bars that began a year before it.
with
    dated as (
        select
            bars.*,
            isodow(bars.session_date) as weekday,
            isodow(
                lag(bars.session_date) over (partition by bars.symbol, bars.vintage order by bars.bar_number)
            ) as weekday_before,
            classes.bars_per_month,
            classes.bars_per_year
        from {{ sliced(ref("vintage_returns")) }} as bars
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
    ),
    rolled as (
        select
            *,
            count(*) over past_year >= bars_per_year as has_year,
            {{ exact_deviation("log_total_return", "past_year") }} as deviation_year,
            {{ exact_sum("log_total_return", "year_ago") }} as log_return_year_ago,
            case
                weekday
                {% for day in range(1, 8) %}
                    when {{ day }}
                    then
                        {{
                            exact_sum(
                                "case when weekday_before = " ~ day ~ " then log_total_return end",
                                "past_year",
                            )
                        }}
                {% endfor %}
            end as log_return_after,
            case
                weekday
                {% for day in range(1, 8) %}
                    when {{ day }} then count(*) filter (where weekday_before = {{ day }}) over past_year
                {% endfor %}
            end as bars_after
        from dated
        window
            {{ rows_back("past_year", "bars_per_year") }},
            year_ago as (
                partition by symbol, vintage
                order by
                    bar_number
                    rows between bars_per_year - 1 preceding and bars_per_year - bars_per_month preceding
            )
    )
select
    symbol,
    session_date,
    case
        when has_year then log_return_after / nullif(deviation_year * sqrt(bars_after), 0)
    end as after_weekday,
    case
        when has_year then log_return_year_ago / nullif(deviation_year * sqrt(bars_per_month), 0)
    end as month_year_ago,
    known_at
from rolled
where is_own
