-- Each stop condition as it should follow from what it measured, from how it stood one decision before, and
-- from what an operator released: one row per portfolio, decision_at and condition. By induction over the
-- decisions, stop_conditions is right where it says the same.
with
    before as (
        select
            triggers.*,
            decisions.is_backtest,
            min(triggers.decision_at) filter (not decisions.is_backtest) over so_far as live_from,
            coalesce(earlier.is_latched, false) as was_latched,
            earlier.latched_at as latched_before,
            triggers.made_number - latched.made_number as age
        from {{ ref("stop_triggers") }} as triggers
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = triggers.portfolio
            and decisions.decision_at = triggers.decision_at
        left join
            {{ ref("stop_marks") }} as previous
            on previous.portfolio = triggers.portfolio
            and previous.made_number = triggers.made_number - 1
            and previous.known_at <= triggers.known_at
        left join
            {{ ref("stop_conditions") }} as earlier
            on earlier.portfolio = triggers.portfolio
            and earlier.condition = triggers.condition
            and earlier.decision_at = previous.decision_at
            and earlier.known_at <= triggers.known_at
        left join
            {{ ref("stop_marks") }} as latched
            on latched.portfolio = triggers.portfolio
            and latched.decision_at = earlier.latched_at
            and latched.known_at <= triggers.known_at
        window
            so_far as (
                partition by triggers.portfolio, triggers.condition
                order by triggers.decision_at
                rows between unbounded preceding and current row
            )
    ),
    operators as (
        select
            before.portfolio,
            before.decision_at,
            before.condition,
            last(resets.reset_by order by resets.reset_at, resets.reset_by) as reset_by
        from before
        inner join
            {{ source("raw", "resets") }} as resets
            on resets.portfolio = before.portfolio
            and resets.condition = before.condition
            and resets.reset_at > before.latched_before
            and resets.reset_at <= before.decision_at
        group by before.portfolio, before.decision_at, before.condition
    ),
    released as (
        select
            before.*,
            case
                when not before.is_backtest and before.live_from = before.decision_at
                then 'first_live'
                when operators.reset_by is not null
                then operators.reset_by
                when before.was_latched and before.is_backtest and before.age >= before.simulated_reset
                then 'simulated'
            end as reset_by
        from before
        left join
            operators
            on operators.portfolio = before.portfolio
            and operators.decision_at = before.decision_at
            and operators.condition = before.condition
    ),
    surges as (
        select *, max(decision_at) filter (was_latched and reset_by is not null) over so_far as released_at
        from released
        where condition in ('volatility_surge', 'correlation_surge') and hysteresis is not null
        window
            so_far as (
                partition by portfolio, condition
                order by decision_at
                rows between unbounded preceding and current row
            )
    ),
    disarmed as (
        select surges.portfolio, surges.decision_at, surges.condition
        from surges
        left join
            {{ ref("stop_triggers") }} as calm
            on calm.portfolio = surges.portfolio
            and calm.condition = surges.condition
            and calm.decision_at >= surges.released_at
            and calm.decision_at <= surges.decision_at
            and calm.known_at <= surges.known_at
            and calm.value < calm.limit_value * (1 - surges.hysteresis) - 1e-12
        where surges.released_at is not null
        group by surges.portfolio, surges.decision_at, surges.condition
        having count(calm.decision_at) = 0
    ),
    latched as (
        select
            released.*,
            case
                when released.was_latched and released.reset_by is null
                then released.latched_before
                when released.is_triggered and disarmed.decision_at is null
                then released.decision_at
            end as latched_at
        from released
        left join
            disarmed
            on disarmed.portfolio = released.portfolio
            and disarmed.decision_at = released.decision_at
            and disarmed.condition = released.condition
    )
select
    portfolio,
    decision_at,
    condition,
    value,
    limit_value,
    is_triggered,
    latched_at is not null as is_latched,
    latched_at,
    reset_by,
    case
        when latched_at is null
        then 'none'
        when condition = 'drawdown' and has_defensive and value > -1 and isfinite(value)
        then 'defend'
        when condition in ('drawdown', 'deep_drawdown')
        then 'cash'
        when condition in ('staleness', 'divergence', 'missing_rate')
        then 'hold'
        else 'halve'
    end as action,
    known_at
from latched
