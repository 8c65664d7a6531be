-- How forecasts went with what came of them, across assets and on average over decisions: one row per clock,
-- plan, learner and window_id, for the decisions its forecasts are used at. Known ten decisions after the
-- last of them, with the labels known by then; beside it the same of the rows that were fitted on.
with
    judged as (
        select
            forecasts.clock,
            forecasts.plan,
            forecasts.learner,
            forecasts.window_id,
            forecasts.decision_at,
            forecasts.symbol,
            forecasts.is_train,
            forecasts.forecast as position,
            labels.normalised_label as unit_return,
            ends.decision_at as known_at
        from {{ ref("walk_forward_windows") }} as windows
        inner join
            {{ ref("clock_instants") }} as ends
            on ends.clock = windows.clock
            and ends.decision_number = windows.used_until_number + 9
        inner join
            {{ ref("forecasts") }} as forecasts
            on forecasts.clock = windows.clock
            and forecasts.plan = windows.plan
            and forecasts.window_id = windows.window_id
            and forecasts.known_at <= ends.decision_at
        inner join
            {{ ref("labels") }} as labels
            on labels.clock = forecasts.clock
            and labels.symbol = forecasts.symbol
            and labels.decision_at = forecasts.decision_at
            and labels.known_at <= ends.decision_at
        cross join {{ ref("run_bounds") }} as bounds
        where
            (forecasts.is_train or forecasts.decision_at >= windows.test_from)
            and labels.normalised_label is not null
            and ends.decision_at <= bounds.as_of
            and {{ new("ends.decision_at") }}
    ),
    ranked as (
        select
            * replace(
                rank() over by_forecast
                + (count(*) over (by_forecast range between current row and current row) - 1) / 2 as position,
                rank() over by_label
                + (count(*) over (by_label range between current row and current row) - 1) / 2 as unit_return
            )
        from judged
        where not is_train
        window
            by_forecast as (partition by clock, plan, learner, window_id, decision_at order by position),
            by_label as (partition by clock, plan, learner, window_id, decision_at order by unit_return)
    ),
    summed as (
        select
            clock,
            plan,
            learner,
            window_id,
            known_at,
            decision_at,
            kind,
            count(*) as assets,
            {% for name, expression in correlation_sums().items() %}
                {{ expression }} as {{ name }}{{ "," if not loop.last }}
            {% endfor %}
        from
            (
                select *, case when is_train then 'in_sample' else 'value' end as kind
                from judged
                union all
                select *, 'rank' as kind
                from ranked
            )
        group by clock, plan, learner, window_id, known_at, decision_at, kind
    ),
    correlated as (
        select *, case when assets >= 3 then {{ correlation("assets") }} end as coefficient from summed
    )
select
    clock,
    plan,
    learner,
    window_id,
    count(coefficient) filter (where kind = 'value') as decisions,
    avg(coefficient order by decision_at) filter (where kind = 'value') as information_coefficient,
    avg(coefficient order by decision_at) filter (where kind = 'rank') as rank_information_coefficient,
    avg(coefficient order by decision_at) filter (
        where kind = 'in_sample'
    ) as in_sample_information_coefficient,
    known_at
from correlated
group by clock, plan, learner, window_id, known_at
having count(*) filter (where kind = 'value') > 0
