{# Return of the past half year against its usual size: what went up keeps going up, because news is priced
   slowly and money follows returns.
   Formula: tanh(r_half / (σ_half · √bars_per_half))
   Source: Jegadeesh and Titman 1993; Moskowitz, Ooi and Pedersen 2012
   Horizon: 6 months
   Knows: closes of one half year #}
{% macro signal__momentum_6m() %}
    select
        bars.symbol,
        bars.session_date,
        tanh(bars.log_return_half / (bars.deviation_half * sqrt(classes.bars_per_half))) as value,
        bars.known_at
    from {{ ref("bar_statistics") }} as bars
    inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
    inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
{% endmacro %}
