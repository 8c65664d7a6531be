{# What a strategy of a direction holds for a score; nothing where it says nothing. #}
{% macro held_position(score, direction) %}
    (
        case
            when {{ direction }} = 'long'
            then greatest(coalesce({{ score }}, 0), 0)
            else coalesce({{ score }}, 0)
        end::double
    )
{% endmacro %}
