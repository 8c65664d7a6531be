{# Sums that do not depend on the order of rows, nor on the other rows of the table: over integers
   of 1e-12. A float sum changes its last bits with both. What is beyond the limit counts as the limit: a
   price in the wrong unit must not end the run in an overflow. What is no number still does. #}
{% macro exact(expression, limit=9e6) %}
    (
        round(
            case
                when {{ expression }} > {{ limit }} and not isnan({{ expression }})
                then {{ limit }}
                when {{ expression }} < - {{ limit }}
                then - {{ limit }}
                else {{ expression }}
            end
            * 1e12
        )::bigint
    )
{% endmacro %}

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

{# Sample deviation (ddof 1), exact until the last division. Up to 5,000 rows of the limit squared fit into
   the integers. #}
{% macro exact_deviation(expression, window) %}
    {% set integer = exact(expression, 2500) %}
    (
        sqrt(
            greatest(
                (
                    count({{ expression }}) over {{ window }}
                    * (sum({{ integer }}::hugeint * {{ integer }}) over {{ window }})::hugeint
                    - (sum({{ integer }}) over {{ window }})::hugeint
                    * (sum({{ integer }}) over {{ window }})::hugeint
                ),
                0
            )::double / nullif(
                count({{ expression }}) over {{ window }} * (count({{ expression }}) over {{ window }} - 1), 0
            )
        )
        / 1e12
    )
{% endmacro %}
