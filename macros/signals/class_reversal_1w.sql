{# Rank within its class of the past week's return, turned round: who had to sell in haste pays whoever
   buys, and against peers the market's own move is left out.
   Formula: (above − below) / peers, of r_week
   Source: Lehmann 1990
   Horizon: 1 week
   Knows: peers' closes of one week #}
{% macro signal__class_reversal_1w() %}
    select symbol, session_date, - week_rank as value, known_at from {{ ref("cross_sections") }}
{% endmacro %}
