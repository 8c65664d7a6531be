{# What equities and coins did over the past month, the asset's own class left out, as far as it moves
   with them: appetite for risk reaches some markets before others.
   Formula: ρ_year · tanh(r_risk_month / (σ_risk_quarter · √bars_per_month))
   Source: Moskowitz, Ooi and Pedersen 2012, on spillovers between markets
   Horizon: 1 month
   Knows: peers' closes of one year, of other classes #}
{% macro signal__risk_on_basket_1m() %}
    select symbol, session_date, risk_correlation * tanh(risk_month) as value, known_at
    from {{ ref("basket_statistics") }}
{% endmacro %}
