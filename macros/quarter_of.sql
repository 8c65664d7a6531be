{# The quarter a day lies in, as 2017-Q3. #}
{% macro quarter_of(day) %} (year({{ day }})::varchar || '-Q' || quarter({{ day }})::varchar) {% endmacro %}
