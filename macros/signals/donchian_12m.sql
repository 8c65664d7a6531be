{# Place of the close in the range of the year before it; outside the range is a breakout: what stood in
   the way of the price is out of it.
   Formula: (2 · close − high − low) / (high − low), cut to [−1, 1]; high and low of the year before
   Source: Donchian 1960; Brock, Lakonishok and LeBaron 1992
   Horizon: 12 months
   Knows: closes of one year and a bar; highs and lows where the feed has them #}
{% macro signal__donchian_12m() %}
    select
        bars.symbol,
        bars.session_date,
        {{ place_in_channel("bars.close", "ranges.high_before_year", "ranges.low_before_year") }} as value,
        bars.known_at
    from {{ ref("bar_statistics") }} as bars
    inner join
        {{ ref("range_statistics") }} as ranges
        on ranges.symbol = bars.symbol
        and ranges.session_date = bars.session_date
        and ranges.known_at <= bars.known_at
{% endmacro %}
