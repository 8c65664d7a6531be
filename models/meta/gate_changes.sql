-- Whom the gates judge otherwise than at the decision before, and why: one row per portfolio, decision_at,
-- symbol and strategy.
with
    beside as (
        select
            portfolio,
            decision_at,
            symbol,
            strategy,
            lag(decision_at) over by_candidate as previous_decision_at,
            lag(is_adopted) over by_candidate as was_adopted,
            is_adopted,
            lag(reason) over by_candidate as reason_before,
            reason,
            known_at
        from {{ and_last(ref("strategy_gates"), ["portfolio", "symbol", "strategy"]) }}
        window by_candidate as (partition by portfolio, symbol, strategy order by decision_at)
    )
select
    portfolio,
    decision_at,
    symbol,
    strategy,
    previous_decision_at,
    case
        when previous_decision_at is null
        then 'first'
        when is_adopted = was_adopted
        then 'reason'
        when is_adopted
        then 'let_in'
        else 'dropped'
    end as change,
    was_adopted,
    is_adopted,
    reason_before,
    reason,
    known_at
from beside
where reason is distinct from reason_before
