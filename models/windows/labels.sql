-- Gross return from the fill of a decision to the fill of the fifth decision after it, and the same over
-- its usual size: one row per clock, symbol and decision_at of a filled order, known when its last fill is.
{% set horizon = 5 %}
with
    spans as (
        select
            starts.clock,
            starts.symbol,
            starts.decision_at,
            starts.decision_number,
            count(*) as settled,
            count(*) filter (where steps.status = 'filled') as filled,
            count(returns.unit_return) as returned,
            exp(sum({{ exact("ln(1 + returns.unit_return)") }}) / 1e12) - 1 as label,
            greatest(max(steps.known_at), max(returns.known_at)) as known_at
        from {{ ref("order_returns") }} as starts
        inner join
            {{ ref("order_fills") }} as steps
            on steps.clock = starts.clock
            and steps.symbol = starts.symbol
            and steps.decision_number >= starts.decision_number
            and steps.decision_number < starts.decision_number + {{ horizon }}
        left join
            {{ ref("order_returns") }} as returns
            on returns.clock = steps.clock
            and returns.symbol = steps.symbol
            and returns.decision_at = steps.decision_at
        where {{ not_kept("starts", ["clock", "symbol", "decision_at"]) }}
        group by starts.clock, starts.symbol, starts.decision_at, starts.decision_number
    )
select
    spans.clock,
    spans.symbol,
    spans.decision_at,
    spans.label,
    spans.label / nullif(statistics.deviation_quarter * sqrt({{ horizon }}), 0) as normalised_label,
    spans.known_at
from spans
inner join
    {{ ref("decision_bars") }} as bars
    on bars.clock = spans.clock
    and bars.symbol = spans.symbol
    and bars.decision_at = spans.decision_at
inner join
    {{ ref("bar_statistics") }} as statistics
    on statistics.symbol = bars.symbol
    and statistics.session_date = bars.session_date
where spans.settled = {{ horizon }} and spans.filled = spans.returned
