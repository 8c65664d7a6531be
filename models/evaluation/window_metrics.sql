-- How each strategy did on each asset in each span: one row per clock, strategy, symbol, plan, window_id and
-- span.
{{ metrics(ref("span_sums"), ["clock", "strategy", "symbol", "plan", "window_id", "span"]) }}
