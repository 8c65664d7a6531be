{# Direction of the shocks of the past week, each beyond two deviations of the 20 bars before it: news
   is not priced in one day (Chan 2003). Knows: closes of a week and 20 bars. #}
{% macro signal__volatility_breakout_1w() %}
    select symbol, session_date, tanh(shock_week) as value, known_at from {{ ref("bar_statistics") }}
{% endmacro %}
