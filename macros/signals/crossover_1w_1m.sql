{# Mean of the past week over that of the past month, against the usual size of such a distance: trends
   last longer than chance would have them. Two means of n and N bars of a random walk with steps of σ are
   σ · (N − n) / √(3N) apart.
   Formula: tanh((mean_week − mean_month) / (σ_quarter · (bars_per_month − bars_per_week) / √(3 ·
   bars_per_month))), means of ln close
   Source: Brock, Lakonishok and LeBaron 1992
   Horizon: 1 month
   Knows: closes of one quarter #}
{% macro signal__crossover_1w_1m() %}
    select
        bars.symbol,
        bars.session_date,
        tanh(
            trends.log_week_over_month / (
                bars.deviation_quarter
                * (classes.bars_per_month - classes.bars_per_week)
                / sqrt(3 * classes.bars_per_month)
            )
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
