-- How far the strategies in use say the same: one row per portfolio and decision_at at which any has weight.
-- A strategy takes a side by the sign of its position; the ensemble by that of the weighted sum on an asset.
with
    sided as (
        select
            portfolio,
            decision_at,
            symbol,
            strategy,
            weight,
            sign(position) as side,
            sign(sum({{ exact("weight * position") }}) over by_asset) as ensemble_side
        from {{ ref("strategy_weights") }}
        where weight > 0
        window by_asset as (partition by portfolio, decision_at, symbol)
    ),
    sides as (
        select
            portfolio,
            decision_at,
            symbol,
            sum({{ exact("weight") }}) as weight,
            sum({{ exact("weight") }}) filter (side = ensemble_side) as weight_with_ensemble,
            count(*) as strategies,
            count(*) filter (side > 0) as long,
            count(*) filter (side = 0) as out_of_it,
            count(*) filter (side < 0) as short
        from sided
        group by portfolio, decision_at, symbol
    ),
    paired as (
        select
            *,
            strategies * (strategies - 1) / 2 as pairs,
            (long * (long - 1) + out_of_it * (out_of_it - 1) + short * (short - 1)) / 2 as pairs_agreed
        from sides
    ),
    used as (
        select portfolio, decision_at, count(distinct strategy) as strategies
        from sided
        group by portfolio, decision_at
    )
select
    paired.portfolio,
    paired.decision_at,
    any_value(used.strategies) as strategies,
    count(*) as assets,
    coalesce(sum(paired.weight_with_ensemble), 0) / sum(paired.weight) as with_ensemble,
    sum(paired.pairs)::bigint as pairs,
    sum(paired.pairs_agreed) / nullif(sum(paired.pairs), 0) as pairwise,
    paired.decision_at as known_at
from paired
inner join used on used.portfolio = paired.portfolio and used.decision_at = paired.decision_at
group by paired.portfolio, paired.decision_at
