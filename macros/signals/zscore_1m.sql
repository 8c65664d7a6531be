{# Distance of the close below its monthly mean, in deviations: prices that ran ahead come back.
   Formula: −tanh(z / 2), z = (ln close − mean) / σ of ln close over one month
   Source: Poterba and Summers 1988
   Horizon: 1 month
   Knows: closes of one month #}
{% macro signal__zscore_1m() %}
    select symbol, session_date, - tanh(log_close_zscore_month / 2) as value, known_at
    from {{ ref("trend_statistics") }}
{% endmacro %}
