{# n² times the covariance of two columns in a window, in integers of 1e-24: exact, like
   exact_deviation. Both must be null in the same rows. Ratios of two of them, and differences, are what
   slopes and correlations are made of. #}
{% macro exact_covariance(one, other, window) %}
    {% set left, right = exact(one, 2500), exact(other, 2500) %}
    (
        (
            count({{ one }}) over {{ window }}
            * (sum({{ left }}::hugeint * {{ right }}) over {{ window }})::hugeint
            - (sum({{ left }}) over {{ window }})::hugeint * (sum({{ right }}) over {{ window }})::hugeint
        )::double
        / 1e24
    )
{% endmacro %}

{# Of three exact covariances, never beyond one by its last bit; null where one of the two does not deviate. #}
{% macro correlation_of(product, square, other_square) %}
    {{ product }} / nullif(greatest(sqrt({{ square }}) * sqrt({{ other_square }}), abs({{ product }})), 0)
{% endmacro %}
