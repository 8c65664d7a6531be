{# Return of the past year without its last month, against its usual size: the slow trend, clear of short-
   term reversal.
   Formula: tanh((r_year − r_month) / (σ_year · √(bars_per_year − bars_per_month)))
   Source: Jegadeesh and Titman 1993
   Horizon: 12 months
   Knows: closes of one year #}
{% macro signal__momentum_12m_1m() %}
    select
        bars.symbol,
        bars.session_date,
        tanh(
            (bars.log_return_year - bars.log_return_month)
            / (bars.deviation_year * sqrt(classes.bars_per_year - classes.bars_per_month))
        ) as value,
        bars.known_at
    from {{ ref("bar_statistics") }} as bars
    inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
    inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
{% endmacro %}
