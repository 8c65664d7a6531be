{# Volatility of the past quarter below that of the past year: calm assets pay more per unit of risk.
   Formula: tanh(2 · ln(σ_year / σ_quarter))
   Source: Moreira and Muir 2017
   Horizon: 3 months
   Knows: closes of one year #}
{% macro signal__low_volatility_3m() %}
    select symbol, session_date, tanh(2 * ln(deviation_year / deviation_quarter)) as value, known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
