{# Stacks every plug-in of a kind, so that one file adds one, and its ref() is an edge that dbt knows. #}
{% macro union_plugins(kind) %}
    {% for name in plugin_names(kind) %}
        select '{{ name }}' as {{ kind }}, symbol, session_date, value::double as value, known_at
        from ({{ context[kind ~ "__" ~ name]() }}) as plugin
        where isfinite(value)
        {% if not loop.last %}
            union all by name
        {% endif %}
    {% endfor %}
{% endmacro %}
