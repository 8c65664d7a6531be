-- Sums over each span, put together from its blocks: one row per clock, plan, strategy, window_id, span and
-- symbol.
{{ asset_spans_summed(ref("settled_spans")) }}
