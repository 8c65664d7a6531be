{# Correlation of returns with the growth of what is traded, turned round: buying that draws a crowd is
   overdone, a rise that nobody chases is not.
   Formula: −ρ(r, ln(v / v of the bar before)) over one month, v = money traded
   Source: Kakushadze 2016, alpha 2
   Horizon: 1 month
   Knows: volumes and closes of one quarter #}
{% macro signal__price_volume_divergence_1m() %}
    select symbol, session_date, - return_correlation as value, known_at from {{ ref("volume_statistics") }}
{% endmacro %}
