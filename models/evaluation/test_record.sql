-- How each strategy did in all test spans that tile time, up to and including that of a window: one row per
-- clock, plan, strategy, asset_group, scenario and window_id.
with
    records as (select * from {{ new_group_spans_summed() }} where span = 'record'),
    measured as (
        {{ metrics("records", ["clock", "plan", "strategy", "asset_group", "scenario", "window_id"]) }}
    )
select measured.* rename(returns as observations), spans.windows, spans.from_at, spans.until_at
from measured
inner join
    {{ ref("group_spans") }} as spans
    on spans.clock = measured.clock
    and spans.plan = measured.plan
    and spans.window_id = measured.window_id
    and spans.asset_group = measured.asset_group
where spans.span = 'record'
