{# Relative strength index of 14 bars, turned round: overbought is -1, oversold +1 (Wilder 1978).
   Knows: closes of 14 bars. #}
{% macro signal__rsi_14d() %}
    select symbol, session_date, 1 - 2 * gain_14d / movement_14d as value, known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
