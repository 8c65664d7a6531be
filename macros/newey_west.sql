{# Long-run variance of a list of numbers less their mean, in order, that overlap over `horizon` of them:
   Bartlett weights, lag horizon - 1 (Newey and West 1987). #}
{% macro newey_west(centred, horizon) %}
    (
        (
            list_inner_product({{ centred }}, {{ centred }})
            + 2
            * coalesce(
                list_sum(
                    list_transform(
                        range(1, least({{ horizon }}, len({{ centred }}))),
                        k
                        -> (1 - k / {{ horizon }})
                        * list_inner_product({{ centred }} [k + 1:], {{ centred }} [1:len({{ centred }}) - k])
                    )
                ),
                0
            )
        )
        / len({{ centred }})
    )
{% endmacro %}
