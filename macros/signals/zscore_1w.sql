{# Distance of the close below its weekly mean, in deviations: prices that ran ahead come back.
   Formula: −tanh(z / 2), z = (ln close − mean) / σ of ln close over one week
   Source: Lehmann 1990; Poterba and Summers 1988
   Horizon: 1 week
   Knows: closes of one week #}
{% macro signal__zscore_1w() %}
    select symbol, session_date, - tanh(log_close_zscore_week / 2) as value, known_at
    from {{ ref("trend_statistics") }}
{% endmacro %}
