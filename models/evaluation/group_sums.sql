-- Sums over each span of a group, put together from its blocks: one row per clock, plan, strategy, window_id,
-- span, scenario and asset_group. Train spans are in the scenario plain only: what costs and delays take away
-- is asked of test spans.
{{ group_spans_summed(ref("group_spans")) }}
