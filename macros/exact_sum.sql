{# Sums that do not depend on the order of rows, nor on the other rows of the table: over integers
   of 1e-12. A float sum changes its last bits with both. #}
{% macro exact(expression) %} (round({{ expression }} * 1e12)::bigint) {% endmacro %}

{% macro exact_sum(expression, window) %}
    (sum({{ exact(expression) }}) over {{ window }} / 1e12)
{% endmacro %}

{# Mean of the non-null values in a window. #}
{% macro exact_mean(expression, window) %}
    (
        sum({{ exact(expression) }}) over {{ window }}
        / 1e12
        / nullif(count({{ expression }}) over {{ window }}, 0)
    )
{% endmacro %}

{# Sample deviation (ddof 1), exact until the last division. #}
{% macro exact_deviation(expression, window) %}
    (
        sqrt(
            greatest(
                (
                    count({{ expression }}) over {{ window }} * (
                        sum({{ exact(expression) }}::hugeint * {{ exact(expression) }}) over {{ window }}
                    )::hugeint
                    - (sum({{ exact(expression) }}) over {{ window }})::hugeint
                    * (sum({{ exact(expression) }}) over {{ window }})::hugeint
                ),
                0
            )::double / nullif(
                count({{ expression }}) over {{ window }} * (count({{ expression }}) over {{ window }} - 1), 0
            )
        )
        / 1e12
    )
{% endmacro %}
