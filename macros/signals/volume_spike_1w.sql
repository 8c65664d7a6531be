{# The past week's return, as far as more than usual was traded on it: a move that many take part in is
   news, one that few do is noise.
   Formula: tanh(max(0, ln(v_week / v_quarter))) · tanh(r_week / (σ_quarter · √bars_per_week)), v = mean
   money traded
   Source: Gervais, Kaniel and Mingelgrin 2001
   Horizon: 1 week
   Knows: volumes and closes of one quarter #}
{% macro signal__volume_spike_1w() %}
    select
        volumes.symbol,
        volumes.session_date,
        tanh(greatest(0, volumes.surge_week))
        * tanh(bars.log_return_week / (bars.deviation_quarter * sqrt(classes.bars_per_week))) as value,
        volumes.known_at
    from {{ ref("volume_statistics") }} as volumes
    inner join
        {{ ref("bar_statistics") }} as bars
        on bars.symbol = volumes.symbol
        and bars.session_date = volumes.session_date
        and bars.known_at <= volumes.known_at
    inner join {{ ref("assets") }} as assets on assets.symbol = volumes.symbol
    inner join {{ ref("asset_classes") }} as classes on classes.asset_class = assets.asset_class
    where volumes.surge_week is not null
{% endmacro %}
