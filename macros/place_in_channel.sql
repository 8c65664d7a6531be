{# Where a close is in the channel between a low and a high: -1 at the low or below it, +1 at the high or above
   it; null where there is no channel, or one without width. #}
{% macro place_in_channel(close, high, low) %}
    {% set middle = high ~ " + " ~ low %} {% set width = high ~ " - " ~ low %}
    {{ clipped("(2 * " ~ close ~ " - (" ~ middle ~ ")) / nullif(" ~ width ~ ", 0)") }}
{% endmacro %}
