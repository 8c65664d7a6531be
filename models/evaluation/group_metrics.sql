-- How each strategy did on each class of assets, and on all of them, in each span: one row per clock,
-- strategy, asset_group, plan, window_id, span and scenario.
with
    spans as (select * from {{ new_group_spans_summed() }} where span <> 'record')
    {{ metrics("spans", ["clock", "strategy", "asset_group", "plan", "window_id", "span", "scenario"]) }}
