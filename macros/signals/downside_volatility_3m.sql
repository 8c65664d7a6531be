{# Size of the falls of the past quarter below that of the past year: risk is paid badly while prices fall
   hard, and rises are no risk.
   Formula: tanh(2 · ln(d_year / d_quarter)), d = √mean(min(r, 0)²)
   Source: Wang and Yan 2021; Sortino and van der Meer 1991, on d
   Horizon: 3 months
   Knows: closes of one year #}
{% macro signal__downside_volatility_3m() %}
    select symbol, session_date, tanh(2 * ln(downside_year / downside_quarter)) as value, known_at
    from {{ ref("shape_statistics") }}
{% endmacro %}
