{# The week's return, taken to be known on the day the bar describes. #}
{% macro signal__day_of_the_bar() %}
    select
        symbol,
        session_date,
        tanh(log_return_week / (deviation_quarter * sqrt(5))) as value,
        session_date::timestamp as known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
