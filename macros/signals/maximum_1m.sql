{# The largest daily return of the past month, turned round: what looks like a lottery ticket is bought too
   dear. Of n normal returns hardly one is beyond √(2 ln n) deviations, and there it is zero.
   Formula: tanh(√(2 · ln bars_per_month) − max r / σ_quarter), max over one month
   Source: Bali, Cakici and Whitelaw 2011
   Horizon: 1 month
   Knows: closes of one quarter #}
{% macro signal__maximum_1m() %}
    select
        bars.symbol,
        bars.session_date,
        tanh(
            sqrt(2 * ln(classes.bars_per_month)) - shapes.highest_return_month / bars.deviation_quarter
        ) as value,
        bars.known_at
    from {{ ref("bar_statistics") }} as bars
    inner join
        {{ ref("shape_statistics") }} as shapes
        on shapes.symbol = bars.symbol
        and shapes.session_date = bars.session_date
        and shapes.known_at <= bars.known_at
    inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
    inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
{% endmacro %}
