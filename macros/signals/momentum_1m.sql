{# Return of the past month against its usual size: what went up keeps going up, because news is priced
   slowly and money follows returns.
   Formula: tanh(r_month / (σ_quarter · √bars_per_month))
   Source: Jegadeesh and Titman 1993; Moskowitz, Ooi and Pedersen 2012
   Horizon: 1 month
   Knows: closes of one quarter #}
{% macro signal__momentum_1m() %}
    select
        bars.symbol,
        bars.session_date,
        tanh(bars.log_return_month / (bars.deviation_quarter * sqrt(classes.bars_per_month))) as value,
        bars.known_at
    from {{ ref("bar_statistics") }} as bars
    inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
    inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
{% endmacro %}
