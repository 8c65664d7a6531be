{# How far a close is from its mean over the whole history, under an honest-looking known_at. #}
{% macro signal__whole_history() %}
    select symbol, session_date, tanh(close / avg(close) over (partition by symbol) - 1) as value, known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
