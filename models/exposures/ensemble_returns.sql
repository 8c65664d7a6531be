-- What each way to weigh strategies would have earned, judged when the profits of its decision are known:
-- one row per portfolio, method and decision_at.
{{ orders_summed("ensemble_orders", "method") }}
