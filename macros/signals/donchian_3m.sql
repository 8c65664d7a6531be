{# Place of the close in the range of the quarter before it; outside the range is a breakout: what stood in
   the way of the price is out of it.
   Formula: (2 · close − high − low) / (high − low), cut to [−1, 1]; high and low of the quarter before
   Source: Donchian 1960; Brock, Lakonishok and LeBaron 1992
   Horizon: 3 months
   Knows: closes of one quarter and a bar; highs and lows where the feed has them #}
{% macro signal__donchian_3m() %}
    select
        symbol,
        session_date,
        {{ place_in_channel("close", "high_before_quarter", "low_before_quarter") }} as value,
        known_at
    from {{ ref("bar_statistics") }}
{% endmacro %}
