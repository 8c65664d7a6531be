-- What each benchmark would have earned on the portfolio's clock, with its fills and costs, once the
-- profits of its decision are known: one row per portfolio, benchmark and decision_at.
{{ orders_summed("benchmark_orders", "benchmark") }}
