{# No asset and no class is above the limit of the policy its decision was made under, save where the log says
   it was forced; nothing is short. #}
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
        )
    select portfolio, decision_at, symbol as limited, weight
    from held
    where weight < 0 or (weight > asset_limit + 1e-9 and not contains(conflicts, 'asset ' || symbol))
    union all
    select portfolio, decision_at, asset_class as limited, sum(weight) as weight
    from held
    group by portfolio, decision_at, asset_class
    having
        sum(weight) > max(class_limit) + 1e-9
        and not bool_or(contains(conflicts, 'class ' || asset_class))
        and not bool_or(contains(conflicts, 'asset '))
{% endtest %}
