{# Return of the past quarter less that of the rest of the half year, against its usual size: a trend that
   gains speed is being joined, one that loses it is being left.
   Formula: tanh((r_quarter − (r_half − r_quarter)) / (σ_half · √bars_per_half))
   Source: Gettleman and Marks 2006
   Horizon: 6 months
   Knows: closes of one half year #}
{% macro signal__acceleration_3m() %}
    select
        bars.symbol,
        bars.session_date,
        tanh(
            (2 * bars.log_return_quarter - bars.log_return_half)
            / (bars.deviation_half * sqrt(classes.bars_per_half))
        ) as value,
        bars.known_at
    from {{ ref("bar_statistics") }} as bars
    inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
    inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
{% endmacro %}
