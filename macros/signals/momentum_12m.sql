{# Return of the past year against its usual size: what went up keeps going up, because news is priced
   slowly and money follows returns.
   Formula: tanh(r_year / (σ_year · √bars_per_year))
   Source: Moskowitz, Ooi and Pedersen 2012
   Horizon: 12 months
   Knows: closes of one year #}
{% macro signal__momentum_12m() %}
    select
        bars.symbol,
        bars.session_date,
        tanh(bars.log_return_year / (bars.deviation_year * sqrt(classes.bars_per_year))) as value,
        bars.known_at
    from {{ ref("bar_statistics") }} as bars
    inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
    inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
{% endmacro %}
