{# The grain holds: no two rows share these columns, and none of them is null. #}
{% test unique_grain(model, columns) %}
    select {{ columns | join(", ") }}
    from {{ model }}
    group by {{ columns | join(", ") }}
    having count(*) > 1 or bool_or({{ columns | join(" is null or ") }} is null)
{% endtest %}
