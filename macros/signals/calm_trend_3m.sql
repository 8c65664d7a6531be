{# The quarter's return, but only as far as the past month was calmer than the quarter: trends that end
   badly end in rising volatility.
   Formula: tanh(r_quarter / (σ_quarter · √bars_per_quarter)) · min(1, σ_quarter / σ_month)
   Source: Barroso and Santa-Clara 2015
   Horizon: 3 months
   Knows: closes of one quarter #}
{% macro signal__calm_trend_3m() %}
    select
        bars.symbol,
        bars.session_date,
        tanh(bars.log_return_quarter / (bars.deviation_quarter * sqrt(classes.bars_per_quarter)))
        * least(1, bars.deviation_quarter / bars.deviation_month) as value,
        bars.known_at
    from {{ ref("bar_statistics") }} as bars
    inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
    inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
{% endmacro %}
