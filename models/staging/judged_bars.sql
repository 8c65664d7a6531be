-- What speaks against each bar, by its vintage: one row per symbol, vintage and session_date; reason is null
-- where nothing does. A jump is from all of the last close, the week's level and the quarter's, so that
-- neither the bar after a bad tick nor the one after a true fall is one.
with
    measured as (
        select
            bars.*,
            limits.* exclude (asset_class),
            {{ log_distance("bars.close", ["bars.close_before", "bars.level_week", "bars.level_quarter"]) }}
            as jump,
            {{
                log_distance(
                    "1 / bars.close", ["bars.close_before", "bars.level_week", "bars.level_quarter"]
                )
            }} as inverted_jump,
            greatest(
                ln(bars.high / greatest(bars.close, bars.close_before, bars.level_week)),
                ln(least(bars.close, bars.close_before, bars.level_week) / bars.low)
            ) as range_jump,
            greatest(limits.spike_multiple * bars.usual_move, limits.spike_floor) as spike_limit,
            least(
                bars.volume / nullif(bars.usual_volume, 0),
                bars.volume * bars.close / nullif(bars.usual_value, 0)
            ) as surge
        from {{ ref("bar_contexts") }} as bars
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        inner join {{ ref("quality_limits") }} as limits on limits.asset_class = assets.asset_class
    )
select
    symbol,
    vintage,
    session_date,
    version,
    is_own,
    case
        when volume = 0 and usual_volume > 0
        then 'zero_volume'
        when jump >= spike_limit and abs(abs(ln(close / level_quarter)) - ln(100)) <= unit_tolerance
        then 'unit_flip'
        when jump >= spike_limit and inverted_jump <= inverted_tolerance
        then 'inverted'
        when jump >= spike_limit and {{ split_distance("close / close_before") }} <= split_tolerance
        then 'split_like'
        when jump >= spike_limit
        then 'spike'
        when range_jump >= 2 * spike_limit
        then 'range_spike'
        when unchanged_bars >= most_unchanged
        then 'stale_feed'
    end as reason,
    close,
    close_before,
    session_before,
    level_week,
    jump,
    spike_limit,
    surge,
    coalesce(surge >= volume_multiple, false) as is_surge,
    unchanged_bars,
    known_at
from measured
