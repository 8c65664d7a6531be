{# Monthly momentum from the last version of each close, under the time at which the first was known. #}
{% macro signal__corrected_close() %}
    select
        bars.symbol,
        bars.session_date,
        tanh(
            5
            * ln(bars.close / lag(bars.close, 21) over (partition by bars.symbol order by bars.session_date))
        ) as value,
        prints.known_at
    from {{ ref("bars") }} as bars
    inner join
        {{ ref("first_prints") }} as prints
        on prints.symbol = bars.symbol
        and prints.session_date = bars.session_date
    where bars.superseded_at is null
{% endmacro %}
