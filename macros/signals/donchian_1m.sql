{# Place of the close in the range of the month before it; outside the range is a breakout: what stood in
   the way of the price is out of it.
   Formula: (2 · close − high − low) / (high − low), cut to [−1, 1]; high and low of the month before
   Source: Donchian 1960; Brock, Lakonishok and LeBaron 1992
   Horizon: 1 month
   Knows: closes of one month and a bar; highs and lows where the feed has them #}
{% macro signal__donchian_1m() %}
    select
        symbol,
        session_date,
        {{ place_in_channel("close", "high_before_month", "low_before_month") }} as value,
        known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
