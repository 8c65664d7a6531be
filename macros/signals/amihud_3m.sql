{# How far a given amount of money moves the price, past quarter over past year: who holds what is hard
   to sell wants to be paid for it.
   Formula: tanh(ln(mean(|r| / v) over one quarter, over the same over one year)), v = money traded
   Source: Amihud 2002
   Horizon: 3 months
   Knows: volumes and closes of one year #}
{% macro signal__amihud_3m() %}
    select symbol, session_date, tanh(impact_growth) as value, known_at from {{ ref("volume_statistics") }}
{% endmacro %}
