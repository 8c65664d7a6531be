-- How each strategy did on each asset in each span: one row per clock, strategy, symbol, plan, window_id and
-- span.
with
    spans as (
        {{ asset_spans_summed(news(ref("settled_spans"))) }}
    ) {{ metrics("spans", ["clock", "strategy", "symbol", "plan", "window_id", "span"]) }}
