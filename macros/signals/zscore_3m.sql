{# Distance of the close below its quarterly mean, in deviations: prices that ran ahead come back.
   Formula: −tanh(z / 2), z = (ln close − mean) / σ of ln close over one quarter
   Source: Poterba and Summers 1988
   Horizon: 3 months
   Knows: closes of one quarter #}
{% macro signal__zscore_3m() %}
    select symbol, session_date, - tanh(log_close_zscore_quarter / 2) as value, known_at
    from {{ ref("trend_statistics") }}
{% endmacro %}
