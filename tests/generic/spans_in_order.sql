{# train_from < train_until <= test_from < test_until, the embargo before the test, and lengths as the plan says,
   counted in decisions of the clock; the train span of an expanding plan grows by a step a window. #}
{% test spans_in_order(model) %}
    select model.*
    from {{ model }} as model
    inner join {{ ref("walk_forward_plans") }} as plans on plans.plan = model.plan
    where
        not (
            model.train_from < model.train_until
            and model.train_until <= model.test_from
            and model.test_from < model.test_until
            and model.embargo_at < model.test_from
        )
        or plans.train + case when plans.kind = 'expanding' then model.window_id * plans.step else 0 end <> (
            select count(*)
            from {{ ref("clock_instants") }} as instants
            where
                instants.clock = model.clock
                and instants.decision_at >= model.train_from
                and instants.decision_at < model.train_until
        )
        or plans.test <> (
            select count(*)
            from {{ ref("clock_instants") }} as instants
            where
                instants.clock = model.clock
                and instants.decision_at >= model.test_from
                and instants.decision_at < model.test_until
        )
        or plans.embargo <> (
            select count(*)
            from {{ ref("clock_instants") }} as instants
            where
                instants.clock = model.clock
                and instants.decision_at >= model.embargo_at
                and instants.decision_at < model.test_from
        )
{% endtest %}
