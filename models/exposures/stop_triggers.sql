-- What each stop condition should measure and whether that reaches its limit, computed again: one row per
-- portfolio, decision_at and condition that the policy gives a limit.
with
    listed as (
        select
            marks.*,
            policies.stops_json::json as stops,
            unnest(
                ['drawdown', 'deep_drawdown', 'daily_loss', 'staleness', 'divergence', 'volatility_surge']
                || ['correlation_surge', 'missing_rate', 'solver_failures']
            ) as condition
        from {{ ref("stop_marks") }} as marks
        inner join
            {{ ref("decision_policies") }} as policies
            on policies.portfolio = marks.portfolio
            and policies.decision_at = marks.decision_at
    ),
    measured as (
        select
            listed.portfolio,
            listed.decision_at,
            listed.condition,
            listed.made_number,
            case
                when listed.condition in ('drawdown', 'deep_drawdown')
                then listed.drawdown
                when listed.condition = 'daily_loss'
                then listed.net_return
                when listed.condition = 'solver_failures'
                then listed.failed
                else conditions.value
            end as value,
            coalesce(
                listed.stops -> listed.condition ->> 'limit',
                listed.stops ->> (listed.condition || '_hours'),
                listed.stops ->> listed.condition
            )::double as limit_value,
            (listed.stops ->> 'hysteresis')::double as hysteresis,
            (listed.stops ->> 'simulated_reset')::bigint as simulated_reset,
            listed.stops ->> 'defensive' is not null as has_defensive
        from listed
        left join
            {{ ref("market_conditions") }} as conditions
            on conditions.portfolio = listed.portfolio
            and conditions.decision_at = listed.decision_at
            and conditions.condition = listed.condition
    )
select
    * replace (case when not isnan(value) then value end as value),
    coalesce(
        case
            when condition in ('drawdown', 'deep_drawdown') and not isfinite(value)
            then true
            when isnan(value)
            then false
            when condition in ('drawdown', 'deep_drawdown', 'daily_loss')
            then value <= limit_value + 1e-12
            else value >= limit_value - 1e-12
        end,
        false
    ) as is_triggered,
    decision_at as known_at
from measured
where limit_value is not null
