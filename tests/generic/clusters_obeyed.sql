{# What moves together weighs no more together than the policy of the decision lets it, shorts by their size, save
   where the log says it was forced, or where a stop condition holds what is above it. Correlations are made again
   here, of returns over three decisions; two assets of which only one that is not held makes a cluster are not
   seen. #}
{% test clusters_obeyed(model) %}
    with recursive
        returns as (
            select
                clock,
                symbol,
                dense_rank() over (partition by clock order by decision_at) as number,
                decision_at,
                simple_return
            from {{ ref("decision_returns") }}
        ),
        overlapping as (
            select
                clock,
                symbol,
                number,
                (1 + simple_return)
                * (1 + lag(simple_return) over by_number)
                * (1 + lag(simple_return, 2) over by_number)
                - 1 as three_returns
            from returns
            window by_number as (partition by clock, symbol order by number)
            qualify number - lag(number, 2) over by_number = 2
        ),
        held as (
            select
                model.portfolio,
                model.decision_at,
                model.symbol,
                abs(model.weight) as weight,
                policies.clock,
                numbers.number,
                (policies.limits_json::json -> 'cluster' ->> 'correlation')::double as correlation,
                (policies.limits_json::json -> 'cluster' ->> 'decisions')::bigint as decisions,
                (policies.limits_json::json -> 'cluster' ->> 'limit')::double as cluster_limit,
                logs.conflicts
            from {{ model }} as model
            inner join
                {{ ref("decision_policies") }} as policies
                on policies.portfolio = model.portfolio
                and policies.decision_at = model.decision_at
            inner join
                {{ ref("allocation_log") }} as logs
                on logs.portfolio = model.portfolio
                and logs.decision_at = model.decision_at
            inner join
                (select distinct clock, decision_at, number from returns) as numbers
                on numbers.clock = policies.clock
                and numbers.decision_at = model.decision_at
            anti join
                (
                    select portfolio, decision_at from {{ ref("stop_conditions") }} where action <> 'none'
                ) as stops
                on stops.portfolio = model.portfolio
                and stops.decision_at = model.decision_at
            where model.weight <> 0 and model.symbol <> 'CASH'
            qualify
                sum(abs(model.weight)) over (partition by model.portfolio, model.decision_at) > cluster_limit
        ),
        -- Distances from the mean, of length one: the product of two is their correlation.
        seen as (
            select
                *, [x / nullif(sqrt(list_inner_product(distances, distances)), 0) for x in distances] as unit
            from
                (
                    select *, [x - list_avg(three_returns) for x in three_returns] as distances
                    from
                        (
                            select
                                held.portfolio,
                                held.decision_at,
                                held.symbol,
                                held.correlation,
                                list(overlapping.three_returns order by overlapping.number) as three_returns
                            from held
                            inner join
                                overlapping
                                on overlapping.clock = held.clock
                                and overlapping.symbol = held.symbol
                                and overlapping.number
                                between held.number - held.decisions + 3 and held.number
                            group by
                                held.portfolio,
                                held.decision_at,
                                held.symbol,
                                held.correlation,
                                held.decisions
                            having count(*) = held.decisions - 2
                        )
                )
        ),
        joined as (
            select one.portfolio, one.decision_at, one.symbol, other.symbol as with_symbol
            from seen as one
            inner join
                seen as other
                on other.portfolio = one.portfolio
                and other.decision_at = one.decision_at
                and other.symbol > one.symbol
            where list_inner_product(one.unit, other.unit) >= one.correlation + 1e-9
        ),
        edges as (
            select portfolio, decision_at, symbol, with_symbol
            from joined
            union all
            select portfolio, decision_at, with_symbol as symbol, symbol as with_symbol
            from joined
        ),
        -- The first name that can be reached from each asset names its cluster.
        reached as (
            select portfolio, decision_at, symbol, symbol as member
            from (select distinct portfolio, decision_at, symbol from edges)
            union
            select reached.portfolio, reached.decision_at, reached.symbol, edges.with_symbol as member
            from reached
            inner join
                edges
                on edges.portfolio = reached.portfolio
                and edges.decision_at = reached.decision_at
                and edges.symbol = reached.member
        ),
        named as (
            select portfolio, decision_at, symbol, min(member) as cluster
            from reached
            group by portfolio, decision_at, symbol
        )
    select named.portfolio, named.decision_at, named.cluster, sum(held.weight) as weight
    from named
    inner join
        held
        on held.portfolio = named.portfolio
        and held.decision_at = named.decision_at
        and held.symbol = named.symbol
    group by named.portfolio, named.decision_at, named.cluster, held.cluster_limit, held.conflicts
    having sum(held.weight) > held.cluster_limit + 1e-9 and not contains(held.conflicts, '"cluster ')
{% endtest %}
