{# Skewness of the past quarter's returns, turned round: who hopes for a jump overpays for it, and whoever
   bears sudden falls is paid.
   Formula: −tanh(m₃ / m₂^1.5), central moments of r over one quarter
   Source: Amaya, Christoffersen, Jacobs and Vasquez 2015
   Horizon: 3 months
   Knows: closes of one quarter #}
{% macro signal__skewness_3m() %}
    select symbol, session_date, - tanh(skewness_quarter) as value, known_at
    from {{ ref("shape_statistics") }}
{% endmacro %}
