{# A metric is null exactly where `undefined` names it with one of the fixed reasons, and none is infinite or not
   a number. #}
{% test explained(model) %}
    {% for metric in metric_formulas() %}
        select '{{ metric }}' as metric, {{ metric }}::double as value, undefined
        from {{ model }}
        where
            not isfinite(coalesce({{ metric }}, 0)::double)
            or ({{ metric }} is null) <> coalesce(
                list_has_any(
                    string_split(undefined, '; '),
                    [
                        {% for reason in undefined_when() %}
                            '{{ metric }}: {{ reason }}'{{ ", " if not loop.last }}
                        {% endfor %}
                    ]
                ),
                false
            )
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}
{% endtest %}
