{# Distance of the close below its yearly mean, against the usual size of such a distance: in the long run
   prices overreact, and come back. The usual size is that of a random walk, as in crossover_1m_3m.
   Formula: −tanh((ln close − mean_year) / (σ_year · (bars_per_year − 1) / √(3 · bars_per_year)))
   Source: De Bondt and Thaler 1985; Poterba and Summers 1988
   Horizon: 12 months
   Knows: closes of one year #}
{% macro signal__distance_to_mean_12m() %}
    select
        bars.symbol,
        bars.session_date,
        - tanh(
            trends.log_close_over_year
            / (bars.deviation_year * (classes.bars_per_year - 1) / sqrt(3 * classes.bars_per_year))
        ) as value,
        bars.known_at
    from {{ ref("bar_statistics") }} as bars
    inner join
        {{ ref("trend_statistics") }} as trends
        on trends.symbol = bars.symbol
        and trends.session_date = bars.session_date
        and trends.known_at <= bars.known_at
    inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
    inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
{% endmacro %}
