-- Mark-to-mark return since the instant before, in the base currency, and the same over the deviation of the
-- 63 before it: one row per clock, symbol and decision_at. Zero when no new bar became known; none at the
-- first mark.
with
    marked as (
        select
            clock,
            symbol,
            decision_at,
            mark_index / lag(mark_index) over by_decision - 1 as simple_return,
            known_at
        from {{ and_decisions_before(ref("decision_bars"), 65, ["clock", "symbol"]) }}
        window by_decision as (partition by clock, symbol order by decision_at)
        qualify lag(mark_index) over by_decision is not null
    )
select
    clock,
    symbol,
    decision_at,
    simple_return,
    case
        when count(*) over past_quarter = 63
        then simple_return / nullif({{ exact_deviation("simple_return", "past_quarter") }}, 0)
    end as normalised_return,
    known_at
from marked
window
    past_quarter as (
        partition by clock, symbol order by decision_at rows between 63 preceding and 1 preceding
    )
