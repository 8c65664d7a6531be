-- What each strategy holds: one row per clock, strategy, symbol and decision_at, zero where it says nothing.
-- A strategy whose direction is long holds nothing where it scores below zero; one of both is short there.
select
    bars.clock,
    strategies.strategy,
    bars.symbol,
    bars.decision_at,
    bars.decision_number,
    {{ held_position("scores.score", "strategies.direction", "strategies.parameters") }} as position,
    bars.known_at
from {{ ref("strategies") }} as strategies
cross join {{ news(ref("decision_bars")) }} as bars
left join
    {{ news(ref("scores")) }} as scores
    on scores.clock = bars.clock
    and scores.strategy = strategies.strategy
    and scores.symbol = bars.symbol
    and scores.decision_at = bars.decision_at
