-- How far the mean signal of the universe is from its median of the 252 decisions before, in robust
-- deviations (1.4826 times the median absolute deviation): one row per portfolio and decision_at. Where it
-- never moved, standing still is 0 and any move is infinite.
with
    means as (
        select
            quality.portfolio,
            quality.decision_at,
            sum({{ exact("readings.value") }}) / 1e12 / count(*) as mean_signal
        from {{ ref("data_quality") }} as quality
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = quality.portfolio
            and decisions.decision_at = quality.decision_at
        inner join
            {{ ref("readings") }} as readings
            on readings.clock = decisions.clock
            and readings.symbol = quality.symbol
            and readings.decision_at = quality.decision_at
        group by quality.portfolio, quality.decision_at
    ),
    remembered as (
        select
            *,
            list(mean_signal) over (
                partition by portfolio order by decision_at rows between 252 preceding and 1 preceding
            ) as history
        from means
    ),
    centred as (select *, list_median(history) as middle from remembered where len(history) >= 63),
    spread_out as (select *, list_median([abs(past - middle) for past in history]) as spread from centred)
select
    portfolio,
    decision_at,
    case
        when spread > 0
        then abs(mean_signal - middle) / (1.4826 * spread)
        when mean_signal = middle
        then 0
        else 'infinity'::double
    end as value,
    decision_at as known_at
from spread_out
