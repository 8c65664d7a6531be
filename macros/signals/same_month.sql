{# Return of the same month a year ago, over its usual size: taxes, bonuses and reports come back each
   year.
   Formula: tanh(r_month_of_a_year_ago / (σ_year · √bars_per_month))
   Source: Heston and Sadka 2008
   Horizon: 1 month
   Knows: closes of one year #}
{% macro signal__same_month() %}
    select symbol, session_date, tanh(month_year_ago) as value, known_at from {{ ref("seasonal_statistics") }}
{% endmacro %}
