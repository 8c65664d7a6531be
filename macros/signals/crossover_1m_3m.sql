{# Mean of the past month over that of the past quarter, against the usual size of such a distance: trends
   last longer than chance would have them. Two means of n and N bars of a random walk with steps of σ are
   σ · (N − n) / √(3N) apart.
   Formula: tanh((mean_month − mean_quarter) / (σ_quarter · (bars_per_quarter − bars_per_month) / √(3 ·
   bars_per_quarter))), means of ln close
   Source: Brock, Lakonishok and LeBaron 1992
   Horizon: 3 months
   Knows: closes of one quarter #}
{% macro signal__crossover_1m_3m() %}
    select
        bars.symbol,
        bars.session_date,
        tanh(
            trends.log_month_over_quarter / (
                bars.deviation_quarter
                * (classes.bars_per_quarter - classes.bars_per_month)
                / sqrt(3 * classes.bars_per_quarter)
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
