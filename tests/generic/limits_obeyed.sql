{# No asset and no class is above the limit of the policy its decision was made under, save where the log says
   it was forced, or where a stop condition holds what has drifted above it; nothing is short. #}
{% test limits_obeyed(model) %}
    with
        held as (
            select
                model.portfolio,
                model.decision_at,
                model.symbol,
                model.weight,
                assets.asset_class,
                (policies.policy_json::json -> 'limits' ->> 'asset')::double as asset_limit,
                (policies.policy_json::json -> 'limits' -> 'asset_classes' ->> assets.asset_class)::double
                as class_limit,
                case when held_by.portfolio is null then 0 else model.previous_weight end as held_weight,
                logs.conflicts
            from {{ model }} as model
            inner join {{ ref("assets") }} as assets on assets.symbol = model.symbol
            inner join {{ source("raw", "runs") }} as runs on runs.run_id = model.run_id
            inner join
                (
                    select distinct portfolio, policy_hash, policy_json from {{ source("raw", "policies") }}
                ) as policies
                on policies.portfolio = model.portfolio
                and policies.policy_hash = runs.policy_hash
            inner join
                {{ ref("allocation_log") }} as logs
                on logs.portfolio = model.portfolio
                and logs.decision_at = model.decision_at
            left join
                (
                    select distinct portfolio, decision_at
                    from {{ ref("stop_conditions") }}
                    where action = 'hold'
                ) as held_by
                on held_by.portfolio = model.portfolio
                and held_by.decision_at = model.decision_at
        )
    select portfolio, decision_at, symbol as limited, weight
    from held
    where
        weight < 0
        or (
            weight > greatest(asset_limit, held_weight) + 1e-9 and not contains(conflicts, 'asset ' || symbol)
        )
    union all
    select portfolio, decision_at, asset_class as limited, sum(weight) as weight
    from held
    group by portfolio, decision_at, asset_class
    having
        sum(weight) > greatest(max(class_limit), sum(held_weight)) + 1e-9
        and not bool_or(contains(conflicts, 'class ' || asset_class))
        and not bool_or(contains(conflicts, 'asset '))
{% endtest %}
