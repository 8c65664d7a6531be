{# Mean of the squares in a window, exact until the last division. #}
{% macro exact_square_mean(expression, window) %}
    {% set integer = exact(expression, 2500) %}
    (
        (sum({{ integer }}::hugeint * {{ integer }}) over {{ window }})::double
        / nullif(count({{ expression }}) over {{ window }}, 0)
        / 1e24
    )
{% endmacro %}

{# Skewness: the third central moment over the second to the power 3/2, both divided by the count. Null where
   nothing moves. Cubes are counted in integers of 1e-20, which hold those of 5,000 rows of the limit. #}
{% macro exact_skewness(expression, window) %}
    {% set integer = exact(expression, 2500) %}
    {% set n = "count(" ~ expression ~ ") over " ~ window %}
    {% set first = "(sum(" ~ integer ~ ") over " ~ window ~ ")::hugeint" %}
    {% set second = "(sum(" ~ integer ~ "::hugeint * " ~ integer ~ ") over " ~ window ~ ")::hugeint" %}
    {% set cube = "round(" ~ integer ~ "::double * " ~ integer ~ " * " ~ integer ~ " / 1e16)::hugeint" %}
    (
        (
            {{ n }} * {{ n }} * (sum({{ cube }}) over {{ window }})::double * 1e16
            - 3 * {{ n }} * {{ first }}::double * {{ second }}::double
            + 2 * {{ first }}::double * {{ first }}::double * {{ first }}::double
        )
        / pow(nullif(({{ n }} * {{ second }} - {{ first }} * {{ first }})::double, 0), 1.5)
    )
{% endmacro %}

{# Correlation of what is in a window with its bar_number, exact until the last division, so that rounding may
   take it past 1; null where nothing moves. A vintage counts its bars without a gap, so n of them vary by
   n²(n² - 1) / 12, as 1 to n do. #}
{% macro exact_trend(expression, window) %}
    {% set integer = exact(expression, 2500) %}
    {% set n = "count(" ~ expression ~ ") over " ~ window %}
    {% set first = "(sum(" ~ integer ~ ") over " ~ window ~ ")::hugeint" %}
    {% set second = "(sum(" ~ integer ~ "::hugeint * " ~ integer ~ ") over " ~ window ~ ")::hugeint" %}
    (
        (
            {{ n }} * (sum(bar_number::hugeint * {{ integer }}) over {{ window }})::hugeint
            - (sum(bar_number) over {{ window }})::hugeint * {{ first }}
        )::double / sqrt(
            nullif(
                ({{ n }} * {{ second }} - {{ first }} * {{ first }})::double
                * ({{ n }} * {{ n }} * ({{ n }} * {{ n }} - 1) / 12)::double,
                0
            )
        )
    )
{% endmacro %}
