{# Rank among all assets of the return of the past half year without its last month, each over its own
   usual size: what did better than other markets goes on doing so, because money follows slowly.
   Formula: (below − above) / peers, of r_half_without_month / σ_year
   Source: Asness, Moskowitz and Pedersen 2013
   Horizon: 6 months
   Knows: peers' closes of one year #}
{% macro signal__cross_momentum_6m() %}
    select symbol, session_date, overall_momentum_rank as value, known_at from {{ ref("cross_sections") }}
{% endmacro %}
