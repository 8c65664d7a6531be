-- How an asset moved from decision to decision over the last 252 of them: one row per clock, symbol and
-- decision_at with a return.
select
    clock,
    symbol,
    decision_at,
    count(*) over past_year as observations,
    {{ exact_deviation("simple_return", "past_year") }} as volatility,
    exp({{ exact_sum("ln(1 + simple_return)", "past_year") }}) - 1 as growth,
    known_at
from {{ and_decisions_before(ref("decision_returns"), 252, ["clock", "symbol"]) }}
window
    past_year as (partition by clock, symbol order by decision_at rows between 251 preceding and current row)
