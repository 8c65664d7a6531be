{# How far ahead readings are judged, in decisions: the next one, a week, a month, a quarter. #}
{% macro forward_horizons() %} {{ return([1, 5, 21, 63]) }} {% endmacro %}
