-- The mean of all signals of the universe: one row per portfolio and decision_at with any.
select
    quality.portfolio,
    quality.decision_at,
    sum({{ exact("readings.value") }}) / 1e12 / count(*) as mean_signal,
    quality.decision_at as known_at
from {{ news(ref("data_quality")) }} as quality
inner join
    {{ ref("decisions") }} as decisions
    on decisions.portfolio = quality.portfolio
    and decisions.decision_at = quality.decision_at
inner join
    {{ news(ref("readings")) }} as readings
    on readings.clock = decisions.clock
    and readings.symbol = quality.symbol
    and readings.decision_at = quality.decision_at
group by quality.portfolio, quality.decision_at
