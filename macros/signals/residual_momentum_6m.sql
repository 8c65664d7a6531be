{# Return of the past half year without its last month that the market does not explain, over its usual
   size: what is an asset's own news is priced more slowly than what moves all. Market as in
   low_beta_12m.
   Formula: tanh(Σε / (σ_ε · √n)), ε = own − alpha − beta · market, fitted over one year
   Source: Blitz, Huij and Martens 2011
   Horizon: 6 months
   Knows: peers' closes of one year #}
{% macro signal__residual_momentum_6m() %}
    select symbol, session_date, tanh(residual_before_month) as value, known_at
    from {{ ref("market_residuals") }}
{% endmacro %}
