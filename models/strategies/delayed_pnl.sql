-- Profit of each strategy on each asset if all knowledge came later, from the fills and at the costs of the
-- same orders: one row per clock, delay, strategy, symbol and decision_at of a filled order.
{{ delayed_profits(ref("order_returns")) }}
