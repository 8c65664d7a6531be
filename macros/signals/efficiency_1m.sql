{# Return of the past month over all its moves, up and down: 1 is a straight way up, 0 much noise for
   nothing. Trends are worth following where there is little noise around them.
   Formula: r_month / Σ|r| over one month: Kaufman's efficiency ratio with its sign
   Source: Kaufman 1995
   Horizon: 1 month
   Knows: closes of one month #}
{% macro signal__efficiency_1m() %}
    select
        bars.symbol, bars.session_date, bars.log_return_month / trends.movement_month as value, bars.known_at
    from {{ ref("bar_statistics") }} as bars
    inner join
        {{ ref("trend_statistics") }} as trends
        on trends.symbol = bars.symbol
        and trends.session_date = bars.session_date
        and trends.known_at <= bars.known_at
{% endmacro %}
