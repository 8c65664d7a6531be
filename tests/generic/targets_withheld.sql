{# A target is shown only on a training row, and only where its label was known by the window's embargo. #}
{% test targets_withheld(model) %}
    select model.window_id, model.symbol, model.decision_at
    from {{ model }} as model
    inner join
        {{ ref("walk_forward_windows") }} as windows
        on windows.clock = model.clock
        and windows.plan = model.plan
        and windows.window_id = model.window_id
    where
        (not model.is_train and model.target is not null)
        or (
            model.is_train
            and (
                model.target is null
                or model.label_known_at is null
                or model.label_known_at > windows.embargo_at
                or model.decision_at >= windows.train_until
                or model.decision_at < windows.train_from
            )
        )
{% endtest %}
