{# Return of the bar that follows: a lead, under the stamp of its own bar. #}
{% macro signal__next_close() %}
    select
        symbol,
        session_date,
        tanh(20 * ln(lead(close) over (partition by symbol order by session_date) / close)) as value,
        known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
