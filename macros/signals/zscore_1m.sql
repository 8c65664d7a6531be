{# Distance of the close below its monthly mean, in deviations: prices that ran ahead come back
   (Poterba and Summers 1988). Knows: closes of one month. #}
{% macro signal__zscore_1m() %}
    select symbol, session_date, - tanh(log_close_zscore_month / 2) as value, known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
