{# The past week's return turned round: who had to sell in haste pays whoever buys.
   Formula: −tanh(r_week / (σ_quarter · √bars_per_week))
   Source: Lehmann 1990
   Horizon: 1 week
   Knows: closes of one quarter #}
{% macro signal__reversal_1w() %}
    select
        bars.symbol,
        bars.session_date,
        - tanh(bars.log_return_week / (bars.deviation_quarter * sqrt(classes.bars_per_week))) as value,
        bars.known_at
    from {{ ref("bar_statistics") }} as bars
    inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
    inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
{% endmacro %}
