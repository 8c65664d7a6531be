{# How far a price is from the nearest of some levels, in log; null where none is known. #}
{% macro log_distance(price, levels) %}
    least({% for level in levels %}abs(ln(({{ price }}) / {{ level }})){{ "," if not loop.last }}{% endfor %})
{% endmacro %}
