{# No asset, no class, and in no regime all of them together, is above the limit of the policy its decision was
   made under, and longs less shorts are within theirs, save where the log says it was forced, or where a stop
   condition holds what has drifted above it. Nothing is short unless the policy allows it, and what is counts by
   its size. #}
{% test limits_obeyed(model) %}
    with
        held as (
            select
                model.portfolio,
                model.decision_at,
                model.symbol,
                model.weight,
                assets.asset_class,
                (policies.limits_json::json ->> 'asset')::double as asset_limit,
                (policies.limits_json::json -> 'asset_classes' ->> assets.asset_class)::double as class_limit,
                case
                    when policies.allow_shorts
                    then coalesce((policies.limits_json::json ->> 'short')::double, 0)
                    else 0
                end as short_limit,
                coalesce((policies.limits_json::json ->> 'gross')::double, 1) as gross_limit,
                least(
                    gross_limit,
                    coalesce((policies.limits_json::json -> 'regimes' ->> logs.regime)::double, gross_limit)
                ) as sum_limit,
                coalesce((policies.limits_json::json -> 'net' ->> 0)::double, - gross_limit) as net_low,
                coalesce((policies.limits_json::json -> 'net' ->> 1)::double, 1) as net_high,
                policies.allow_shorts,
                case when held_by.portfolio is null then 0 else model.previous_weight end as held_weight,
                logs.conflicts
            from {{ model }} as model
            inner join {{ ref("assets") }} as assets on assets.symbol = model.symbol
            inner join
                {{ ref("decision_policies") }} as policies
                on policies.portfolio = model.portfolio
                and policies.decision_at = model.decision_at
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
        (
            weight < least(- short_limit, held_weight) - case when allow_shorts then 1e-9 else 0 end
            and not contains(conflicts, 'short ' || symbol)
        )
        or (
            weight > greatest(asset_limit, held_weight) + 1e-9 and not contains(conflicts, 'asset ' || symbol)
        )
    union all
    select portfolio, decision_at, asset_class as limited, sum(abs(weight)) as weight
    from held
    group by portfolio, decision_at, asset_class
    having
        sum(abs(weight)) > greatest(max(class_limit), sum(abs(held_weight))) + 1e-9
        and not bool_or(contains(conflicts, 'class ' || asset_class))
        and not bool_or(contains(conflicts, 'asset '))
        and not bool_or(contains(conflicts, 'short '))
    union all
    select portfolio, decision_at, 'sum' as limited, sum(abs(weight)) as weight
    from held
    group by portfolio, decision_at
    having sum(abs(weight)) > greatest(max(sum_limit), sum(abs(held_weight))) + 1e-9
    union all
    select portfolio, decision_at, 'net' as limited, sum(weight) as weight
    from held
    group by portfolio, decision_at
    having
        (
            sum(weight) > greatest(max(net_high), sum(held_weight)) + 1e-9
            or sum(weight) < least(min(net_low), sum(held_weight)) - 1e-9
        )
        and not bool_or(contains(conflicts, '"net"'))
        and sum(abs(held_weight)) <= max(gross_limit)
{% endtest %}
