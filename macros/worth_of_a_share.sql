{# What a share is worth at `price` with all it became and brought since it was bought. `bought` and `sold` are
   rows of vintage_actions as of the two sessions, null before the first action. #}
{% macro worth_of_a_share(price, bought, sold) %}
    (
        (
            {{ price }} * coalesce({{ sold }}.shares, 1.0)
            + (coalesce({{ sold }}.cash, 0.0) - coalesce({{ bought }}.cash, 0.0))
        )
        / coalesce({{ bought }}.shares, 1.0)
    )
{% endmacro %}
