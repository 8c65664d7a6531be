{# Rank within its class of the return of the past half year without its last month: winners go on
   winning, because news is priced slowly.
   Formula: (below − above) / peers, of r_half_without_month
   Source: Jegadeesh and Titman 1993
   Horizon: 6 months
   Knows: peers' closes of one half year #}
{% macro signal__class_momentum_6m() %}
    select symbol, session_date, momentum_rank as value, known_at from {{ ref("cross_sections") }}
{% endmacro %}
