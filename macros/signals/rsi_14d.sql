{# Relative strength index of 14 bars, turned round: overbought is -1, oversold +1. A price that ran one
   way only has run out of those who still want to.
   Formula: 1 − 2 · Σgain / (Σgain + Σloss) over 14 bars, plain sums
   Source: Wilder 1978
   Horizon: 14 bars
   Knows: closes of 14 bars #}
{% macro signal__rsi_14d() %}
    select symbol, session_date, 1 - 2 * gain_14d / movement_14d as value, known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
