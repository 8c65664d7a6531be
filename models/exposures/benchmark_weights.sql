-- What one would hold without any of this: one row per portfolio, benchmark, decision_at and symbol of the
-- universe, left out for its data or not. equal_weight; sixty_forty: 60 % in stocks, equally (in all
-- assets, where there are no stocks), and 40 % in cash, since there are no bonds here; inverse_volatility
-- and best_asset over the last 252 decisions, of which the first asks for 63 and the second for all;
-- without any, cash.
with
    members as (
        select
            quality.portfolio,
            quality.decision_at,
            quality.symbol,
            assets.asset_class,
            count(*) over of_decision as assets,
            count(*) filter (assets.asset_class = 'equity') over of_decision as stocks,
            case when statistics.observations >= 63 then 1 / nullif(statistics.volatility, 0) end as calm,
            case when statistics.observations = 252 then statistics.growth end as growth
        from {{ ref("data_quality") }} as quality
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = quality.portfolio
            and decisions.decision_at = quality.decision_at
        inner join {{ ref("assets") }} as assets on assets.symbol = quality.symbol
        left join
            {{ ref("decision_statistics") }} as statistics
            on statistics.clock = decisions.clock
            and statistics.symbol = quality.symbol
            and statistics.decision_at = quality.decision_at
        window of_decision as (partition by quality.portfolio, quality.decision_at)
    ),
    ranked as (
        select
            *,
            {{ exact_sum("calm", "of_decision") }} as all_calm,
            row_number() over (
                partition by portfolio, decision_at order by growth desc nulls last, symbol
            ) as place
        from members
        window of_decision as (partition by portfolio, decision_at)
    )
select
    ranked.portfolio,
    benchmarks.benchmark,
    ranked.decision_at,
    ranked.symbol,
    case
        benchmarks.benchmark
        when 'equal_weight'
        then 1 / ranked.assets
        when 'sixty_forty'
        then
            case
                when ranked.stocks = 0
                then 0.6 / ranked.assets
                when ranked.asset_class = 'equity'
                then 0.6 / ranked.stocks
                else 0
            end
        when 'inverse_volatility'
        then coalesce(ranked.calm / nullif(ranked.all_calm, 0), 0)
        else (ranked.place = 1 and ranked.growth is not null)::int
    end::double as weight,
    ranked.decision_at as known_at
from ranked
cross join
    (values ('equal_weight'), ('sixty_forty'), ('inverse_volatility'), ('best_asset')) as benchmarks(
        benchmark
    )
