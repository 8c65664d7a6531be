{# What used to follow a session of this weekday over the past year: payrolls, margin calls and
   settlements keep to days of the week.
   Formula: tanh(Σr / (2 · σ_year · √n)), r the n returns that followed a bar of this weekday over one
   year
   Source: French 1980
   Horizon: 1 bar
   Knows: closes of one year #}
{% macro signal__day_of_week() %}
    select symbol, session_date, tanh(after_weekday / 2) as value, known_at
    from {{ ref("seasonal_statistics") }}
{% endmacro %}
