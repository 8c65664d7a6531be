-- How each strategy did on each asset in each span: one row per clock, strategy, symbol, plan, window_id and
-- span.
{{ metrics(new_asset_spans_summed(), ["clock", "strategy", "symbol", "plan", "window_id", "span"]) }}
