{# How far the ratio of two closes is from that of a usual split, forward or reverse, in log. #}
{% macro split_distance(ratio) %}
    {% set ratios = ["3 / 2", "2", "3", "4", "5", "6", "7", "8", "10", "15", "20", "25", "30", "40", "50"] %}
    least(
        {% for one in ratios %}abs(abs(ln({{ ratio }})) - ln({{ one }})){{ "," if not loop.last }}{% endfor %}
    )
{% endmacro %}
