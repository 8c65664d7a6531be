{# Nearness of the close to its highest of the year, against the year's range: buyers anchor on the old
   high and pay too little near it.
   Formula: 2 · (close − low_year) / (high_year − low_year) − 1
   Source: George and Hwang 2004
   Horizon: 12 months
   Knows: closes of one year; highs and lows where the feed has them #}
{% macro signal__high_52w() %}
    select
        symbol, session_date, 2 * (close - low_year) / nullif(high_year - low_year, 0) - 1 as value, known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
