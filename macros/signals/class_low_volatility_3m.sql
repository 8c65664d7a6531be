{# Rank within its class of the deviation of the past quarter, turned round: who may not borrow pays too
   much for risky assets, and too little for calm ones.
   Formula: (above − below) / peers, of σ_quarter
   Source: Blitz and van Vliet 2007
   Horizon: 3 months
   Knows: peers' closes of one quarter #}
{% macro signal__class_low_volatility_3m() %}
    select symbol, session_date, - volatility_rank as value, known_at from {{ ref("cross_sections") }}
{% endmacro %}
