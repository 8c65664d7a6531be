-- What is tested: one row per strategy, of those that a policy in force names. Each signal is one by itself
-- unless the seed says how to trade it, and each variant is one beside that of which it is a variant. Where a
-- policy allows shorts, each that is only ever long has a twin that holds what it says below zero, too.
with
    laid_out as (
        select
            declared.* exclude (parameters),
            nullif(configurations.variant, '') as variant,
            configurations.label,
            configurations.parameters
        from {{ ref("declared_strategies") }} as declared
        inner join
            {{ ref("strategy_configurations") }} as configurations
            on configurations.strategy = declared.strategy
        union all by name
        select * exclude (parameters), null as variant, null as label, null as parameters
        from {{ ref("declared_strategies") }}
        where strategy not in (select strategy from {{ ref("strategy_configurations") }} where variant = '')
    ),
    turned as (
        select *, '' as twin
        from laid_out
        union all
        select * replace ('both' as direction), '__both' as twin
        from laid_out
        where
            kind <> 'constant'
            and direction = 'long'
            and 'both' in (select kind from {{ ref("named_plugins") }})
    )
select
    strategy || coalesce('__' || variant, '') || twin as strategy,
    kind,
    source,
    case when kind = 'learner' then source || coalesce('__' || label, '') end as learner,
    plan,
    family,
    direction,
    case when variant is not null then strategy || twin end as variant_of,
    parameters,
    caution
from turned
where
    kind = 'constant'
    or (
        exists (
            select 1
            from {{ ref("named_plugins") }} as named
            where named.kind = turned.kind and named.name in (turned.source, 'all')
        )
        and (variant is null or 'variant' in (select kind from {{ ref("named_plugins") }}))
    )
