{# Every row says when it became known, and that was not after the run's as_of. #}
{% test known_in_time(model) %}
    select model.known_at
    from {{ model }} as model
    cross join {{ ref("run_bounds") }} as bounds
    where model.known_at is null or model.known_at > bounds.as_of
{% endtest %}
