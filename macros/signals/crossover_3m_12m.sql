{# Mean of the past quarter over that of the past year, against the usual size of such a distance (the
   "golden cross" is where it turns positive): trends last longer than chance would have them. Two means of
   n and N bars of a random walk with steps of σ are σ · (N − n) / √(3N) apart.
   Formula: tanh((mean_quarter − mean_year) / (σ_year · (bars_per_year − bars_per_quarter) / √(3 ·
   bars_per_year))), means of ln close
   Source: Brock, Lakonishok and LeBaron 1992
   Horizon: 12 months
   Knows: closes of one year #}
{% macro signal__crossover_3m_12m() %}
    select
        bars.symbol,
        bars.session_date,
        tanh(
            trends.log_quarter_over_year / (
                bars.deviation_year
                * (classes.bars_per_year - classes.bars_per_quarter)
                / sqrt(3 * classes.bars_per_year)
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
