-- How far the mean signal of the universe is from its median of the 252 decisions before, in robust
-- deviations (1.4826 times the median absolute deviation): one row per portfolio and decision_at. Where it
-- never moved, standing still is 0 and any move is infinite.
with
    remembered as (
        select
            *,
            list(mean_signal) over (
                partition by portfolio order by decision_at rows between 252 preceding and 1 preceding
            ) as history
        from {{ and_decisions_before(ref("mean_signals"), 253, ["portfolio"]) }}
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
