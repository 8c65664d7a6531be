{# Volatility within the day over the past month below that of the past quarter: calm that has just set in,
   from the estimator that needs the fewest bars.
   Formula: tanh(2 · ln(g_quarter / g_month)), g = √mean(ln(high / low)² / 2 − (2 ln 2 − 1) · ln(close /
   open)²)
   Source: Garman and Klass 1980; Moreira and Muir 2017
   Horizon: 1 month
   Knows: opens, highs, lows and closes of one quarter #}
{% macro signal__garman_klass_1m() %}
    select symbol, session_date, tanh(2 * ln(garman_klass_quarter / garman_klass_month)) as value, known_at
    from {{ ref("range_statistics") }}
{% endmacro %}
