{# Weights are what the level of the decision allows: at 3 nothing but cash; at 2 nothing but defensive assets,
   together within their own limit and, without exception, each within its own and its class's; where a stop
   halves, no more than half of what was allowed or held. What is short counts by its size. #}
{% test levels_obeyed(model) %}
    with
        actions as (
            select portfolio, decision_at, bool_or(action = 'halve') as is_halved
            from {{ ref("stop_conditions") }}
            group by portfolio, decision_at
        ),
        stopped as (
            select
                model.portfolio,
                model.decision_at,
                model.symbol,
                abs(model.weight) as weight,
                assets.asset_class,
                logs.level,
                (
                    policies.limits_json::json ->> case when model.weight < 0 then 'short' else 'asset' end
                )::double as asset_limit,
                (policies.limits_json::json -> 'asset_classes' ->> assets.asset_class)::double as class_limit,
                list_contains(
                    coalesce((policies.stops_json::json -> 'defensive' -> 'symbols')::varchar[], []),
                    model.symbol
                ) as is_defensive,
                coalesce((policies.stops_json::json -> 'defensive' ->> 'limit')::double, 0) as kept_limit,
                actions.is_halved,
                greatest(abs(projected.weight_after), abs(model.previous_weight)) / 2 as half
            from {{ model }} as model
            inner join {{ ref("assets") }} as assets on assets.symbol = model.symbol
            inner join
                {{ ref("allocation_log") }} as logs
                on logs.portfolio = model.portfolio
                and logs.decision_at = model.decision_at
            inner join
                {{ ref("decision_policies") }} as policies
                on policies.portfolio = model.portfolio
                and policies.decision_at = model.decision_at
            inner join
                {{ ref("weight_waterfall") }} as projected
                on projected.portfolio = model.portfolio
                and projected.decision_at = model.decision_at
                and projected.symbol = model.symbol
                and projected.stage = 'projected'
            inner join
                actions on actions.portfolio = model.portfolio and actions.decision_at = model.decision_at
        )
    select portfolio, decision_at, symbol as limited, level, weight
    from stopped
    where
        (level = 3 and weight <> 0)
        or (level = 2 and not is_defensive and weight <> 0)
        or (level = 2 and weight > asset_limit + 1e-9)
        or (is_halved and weight > half + 1e-9)
    union all
    select portfolio, decision_at, 'defensive' as limited, level, sum(weight) as weight
    from stopped
    where level = 2
    group by portfolio, decision_at, level
    having sum(weight) > max(kept_limit) + 1e-9
    union all
    select portfolio, decision_at, asset_class as limited, level, sum(weight) as weight
    from stopped
    where level = 2
    group by portfolio, decision_at, level, asset_class
    having sum(weight) > max(class_limit) + 1e-9
{% endtest %}
