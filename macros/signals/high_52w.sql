{# Nearness of the close to its highest of the year, against the year's range: buyers anchor on the old
   high and pay too little near it (George and Hwang 2004). Knows: highs and lows of one year. #}
{% macro signal__high_52w() %}
    select
        symbol, session_date, 2 * (close - low_year) / nullif(high_year - low_year, 0) - 1 as value, known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
