{# How far the close is outside its band of two deviations around the monthly mean: zero inside it, one a
   whole deviation outside. Inside the band a price says nothing; outside it whoever had to trade at any
   price is soon done.
   Formula: −sign(z) · min(1, max(0, |z| − 2)), z = (ln close − mean) / σ of ln close over one month
   Source: Bollinger 2001
   Horizon: 1 month
   Knows: closes of one month #}
{% macro signal__bollinger_1m() %}
    select
        symbol,
        session_date,
        case
            when abs(log_close_zscore_month) <= 2
            then 0
            else - sign(log_close_zscore_month) * least(1, abs(log_close_zscore_month) - 2)
        end as value,
        known_at
    from {{ ref("trend_statistics") }}
{% endmacro %}
