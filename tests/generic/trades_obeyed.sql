{# No trade is larger than the change limit of the policy its decision was made under, or smaller than its minimum;
   turnover, volatility and the number of assets are within theirs; save where the log says which gave way, or
   where a stop condition acts. #}
{% test trades_obeyed(model) %}
    with
        limits as (
            select
                logs.portfolio,
                logs.decision_at,
                logs.turnover,
                logs.volatility,
                logs.conflicts,
                policies.limits_json::json as allowed
            from {{ ref("allocation_log") }} as logs
            inner join
                {{ ref("decision_policies") }} as policies
                on policies.portfolio = logs.portfolio
                and policies.decision_at = logs.decision_at
            anti join
                (
                    select portfolio, decision_at from {{ ref("stop_conditions") }} where action <> 'none'
                ) as stops
                on stops.portfolio = logs.portfolio
                and stops.decision_at = logs.decision_at
        ),
        trades as (
            select
                limits.portfolio,
                limits.decision_at,
                limits.conflicts,
                limits.allowed,
                model.symbol,
                model.weight,
                abs(model.weight - model.previous_weight) as trade
            from {{ model }} as model
            inner join limits on limits.portfolio = model.portfolio and limits.decision_at = model.decision_at
            where model.symbol <> 'CASH'
        )
    select portfolio, decision_at, symbol as limited, trade as value
    from trades
    where
        (
            trade > (allowed ->> 'change')::double + 1e-9
            and not contains(conflicts, '"change ' || symbol || '"')
        )
        or (
            trade between 1e-9 and (allowed ->> 'minimum_trade')::double - 1e-9
            and weight <> 0
            and not contains(conflicts, '"minimum trade"')
        )
    union all
    select portfolio, decision_at, 'cardinality' as limited, count(*) as value
    from trades
    where weight <> 0 and not contains(conflicts, '"cardinality"')
    group by portfolio, decision_at, allowed
    having count(*) > (allowed ->> 'cardinality')::bigint
    union all
    select portfolio, decision_at, 'turnover' as limited, turnover as value
    from limits
    where turnover > (allowed ->> 'turnover')::double + 1e-9 and not contains(conflicts, '"turnover"')
    union all
    select limits.portfolio, limits.decision_at, 'volatility' as limited, limits.volatility as value
    from limits
    where
        limits.volatility > (allowed ->> 'volatility')::double + 1e-9
        and not contains(conflicts, '"volatility"')
{% endtest %}
