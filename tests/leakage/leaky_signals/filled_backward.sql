{# Yearly momentum, its warm-up filled from the first value that comes after it. #}
{% macro signal__filled_backward() %}
    select
        symbol,
        session_date,
        tanh(
            first_value(log_return_year ignore nulls) over (
                partition by symbol order by session_date rows between current row and unbounded following
            )
        ) as value,
        known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
