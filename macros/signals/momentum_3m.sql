{# Return of the past quarter against its usual size: what went up keeps going up (Jegadeesh and Titman 1993).
   Knows: closes of one quarter. #}
{% macro signal__momentum_3m() %}
    select
        bars.symbol,
        bars.session_date,
        tanh(bars.log_return_quarter / (bars.deviation_quarter * sqrt(classes.bars_per_quarter))) as value,
        bars.known_at
    from {{ ref("bar_statistics") }} as bars
    inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
    inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
{% endmacro %}
