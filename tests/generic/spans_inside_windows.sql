{# A train span lies between its window's train_from and test_from, a test span from there until test_until. #}
{% test spans_inside_windows(model) %}
    select model.*
    from {{ model }} as model
    inner join
        {{ ref("walk_forward_windows") }} as windows
        on windows.clock = model.clock
        and windows.plan = model.plan
        and windows.window_id = model.window_id
    where
        model.from_number
        < case when model.span = 'train' then windows.train_from_number else windows.test_from_number end
        or model.until_number
        > case when model.span = 'train' then windows.test_from_number else windows.test_until_number end
{% endtest %}
