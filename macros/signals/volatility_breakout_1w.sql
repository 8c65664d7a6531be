{# Direction of the shocks of the past week, each beyond two deviations of the 20 bars before it: news is
   not priced in one day.
   Formula: tanh(Σ sign(r) where |r| ≥ 2σ over one week), σ of the 20 bars before r
   Source: Chan 2003
   Horizon: 1 week
   Knows: closes of one week and 21 bars #}
{% macro signal__volatility_breakout_1w() %}
    select symbol, session_date, tanh(shock_week) as value, known_at from {{ ref("bar_statistics") }}
{% endmacro %}
