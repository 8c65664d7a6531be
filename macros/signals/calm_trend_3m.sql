{# The quarter's return, but only as far as the past month was calmer than the quarter: trends that
   end badly end in rising volatility (Barroso and Santa-Clara 2015). Knows: closes of one quarter. #}
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
