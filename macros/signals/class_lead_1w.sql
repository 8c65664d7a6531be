{# What its class did over the past week, against its usual size: some assets hear the news of all of
   them late.
   Formula: tanh(r_market_week / (σ_market_quarter · √bars_per_week))
   Source: Lo and MacKinlay 1990
   Horizon: 1 week
   Knows: peers' closes of one quarter #}
{% macro signal__class_lead_1w() %}
    select symbol, session_date, tanh(market_week) as value, known_at from {{ ref("basket_statistics") }}
{% endmacro %}
