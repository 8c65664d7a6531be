{# Place of the close in a channel of two true ranges around its monthly mean; one outside it: a move that
   is large for the day's usual noise goes on.
   Formula: (ln close − mean_month) / (2 · mean true range of one month), cut to [−1, 1]; ranges and closes
   in logs
   Source: Keltner 1960; Wilder 1978, on the true range
   Horizon: 1 month
   Knows: highs and lows and closes of one month #}
{% macro signal__atr_channel_1m() %}
    select
        ranges.symbol,
        ranges.session_date,
        {{ clipped("trends.log_close_over_month / (2 * ranges.true_range_month)") }} as value,
        ranges.known_at
    from {{ ref("range_statistics") }} as ranges
    inner join
        {{ ref("trend_statistics") }} as trends
        on trends.symbol = ranges.symbol
        and trends.session_date = ranges.session_date
        and trends.known_at <= ranges.known_at
{% endmacro %}
