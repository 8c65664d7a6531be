{# How little monthly volatility moved over the past quarter, against the past half year: nobody likes not
   to know how risky a thing is, and while that is unclear risk is paid badly.
   Formula: tanh(2 · ln(v_half / v_quarter)), v = σ of ln σ_month over the span
   Source: Baltussen, van Bekkum and van der Grient 2018
   Horizon: 3 months
   Knows: closes of seven months #}
{% macro signal__volatility_of_volatility_3m() %}
    select
        symbol,
        session_date,
        tanh(2 * ln(volatility_of_volatility_half / volatility_of_volatility_quarter)) as value,
        known_at
    from {{ ref("shape_statistics") }}
{% endmacro %}
