-- The walk-forward plans laid on the clock, forward from its start: one row per clock, plan and window_id.
-- The test spans of is_disjoint windows tile time; the others overlap them.
with
    numbered as (
        select
            laid.clock,
            laid.plan,
            plans.kind,
            plans.train,
            plans.test,
            plans.step,
            plans.embargo,
            unnest(
                range(0, divide((select max(decision_number) from {{ ref("clock_instants") }}), plans.step))
            ) as window_id
        from {{ ref("laid_plans") }} as laid
        inner join {{ ref("walk_forward_plans") }} as plans on plans.plan = laid.plan
    ),
    placed as (
        select
            numbered.*,
            case
                when numbered.kind = 'expanding' then 1 else 1 + numbered.window_id * numbered.step
            end as train_number,
            1 + numbered.window_id * numbered.step + numbered.train as test_number
        from numbered
    )
select
    placed.clock,
    placed.plan,
    placed.window_id,
    train_start.decision_at as train_from,
    test_start.decision_at as train_until,
    test_start.decision_at as test_from,
    test_end.decision_at as test_until,
    next_start.decision_at as used_until,
    embargo_start.decision_at as embargo_at,
    placed.embargo,
    placed.train_number as train_from_number,
    placed.test_number as test_from_number,
    placed.test_number + placed.test as test_until_number,
    placed.test_number + placed.step as used_until_number,
    placed.window_id % divide(placed.test + placed.step - 1, placed.step) = 0 as is_disjoint,
    test_start.decision_at as known_at
from placed
inner join
    {{ ref("clock_instants") }} as train_start
    on train_start.clock = placed.clock
    and train_start.decision_number = placed.train_number
inner join
    {{ ref("clock_instants") }} as test_start
    on test_start.clock = placed.clock
    and test_start.decision_number = placed.test_number
inner join
    {{ ref("clock_instants") }} as test_end
    on test_end.clock = placed.clock
    and test_end.decision_number = placed.test_number + placed.test
inner join
    {{ ref("clock_instants") }} as next_start
    on next_start.clock = placed.clock
    and next_start.decision_number = placed.test_number + placed.step
inner join
    {{ ref("clock_instants") }} as embargo_start
    on embargo_start.clock = placed.clock
    and embargo_start.decision_number = placed.test_number - placed.embargo
cross join {{ ref("run_bounds") }} as bounds
where test_start.decision_at <= bounds.as_of
