{# What a strategy of a direction holds for a score: nothing where it says nothing, or less than its threshold, or
   where it would be short and its direction is long.
   Beyond that it holds as much as it says, or all of it where the shape of its position is its sign. #}
{% macro held_position(score, direction, parameters) %}
    (
        case
            when {{ score }} is null or ({{ direction }} = 'long' and {{ score }} < 0)
            then 0
            when {{ parameters }} is null
            then {{ score }}
            when abs({{ score }}) < coalesce(({{ parameters }} ->> '$.threshold')::double, 0)
            then 0
            when {{ parameters }} ->> '$.shape' = 'sign'
            then sign({{ score }})
            else {{ score }}
        end::double
    )
{% endmacro %}
