{# One if the next day of trading is the last of its month or one of the first three, else zero: wages
   and funds are invested then. Days are counted by the calendar alone, Monday to Friday, or all seven
   for what trades on all.
   Formula: 1 if the next day is the last, first, second or third of its month, else 0
   Source: Lakonishok and Smidt 1988
   Horizon: 1 bar
   Knows: closes of one bar, for the calendar #}
{% macro signal__turn_of_month() %}
    select
        symbol,
        session_date,
        case
            when day_of_month - weekend_before <= 3
            then 1
            when days_in_month - day_of_month <= case when is_friday then 2 else 0 end
            then 1
            else 0
        end as value,
        known_at
    from
        (
            select
                symbol,
                session_date,
                day(next_day) as day_of_month,
                day(last_day(next_day)) as days_in_month,
                case
                    when bars_per_week < 7 then greatest(0, least(2, day(next_day) - isodow(next_day))) else 0
                end as weekend_before,
                bars_per_week < 7 and isodow(next_day) = 5 as is_friday,
                known_at
            from
                (
                    select
                        bars.symbol,
                        bars.session_date,
                        bars.session_date + case
                            when classes.bars_per_week < 7 and isodow(bars.session_date) in (5, 6)
                            then 8 - isodow(bars.session_date)
                            else 1
                        end::integer as next_day,
                        classes.bars_per_week,
                        bars.known_at
                    from {{ ref("daily_returns") }} as bars
                    inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
                    inner join
                        {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
                ) as followed
        ) as counted
{% endmacro %}
