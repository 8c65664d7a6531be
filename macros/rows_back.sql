{# A named window over the last so many bars of one vintage, this one included. #}
{% macro rows_back(name, bars) %}
    {{ name }} as (
        partition by symbol, vintage order by bar_number rows between {{ bars }} - 1 preceding and current row
    )
{% endmacro %}
