{# Place of the close in the range of the quarter before it; outside the range is a breakout (Donchian's
   channel; Brock, Lakonishok and LeBaron 1992). Knows: highs and lows of one quarter, or closes where a
   feed has no more. #}
{% macro signal__donchian_3m() %}
    select
        symbol,
        session_date,
        greatest(
            -1,
            least(
                1,
                (2 * close - high_before_quarter - low_before_quarter)
                / nullif(high_before_quarter - low_before_quarter, 0)
            )
        ) as value,
        known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
