{# Stacks every macro named <kind>__<name>, so that one file adds one plug-in and its ref() is an edge. #}
{% macro union_plugins(kind) %}
    {% set prefix = kind ~ "__" %}
    {% set only = var("only", none) %}
    {% set names = [] %}
    {% for key in context.keys() | sort if key.startswith(prefix) %}
        {% set name = key[prefix | length :] %}
        {% if only is none or only == name %} {% do names.append(name) %} {% endif %}
    {% endfor %}
    {% for name in names %}
        select '{{ name }}' as {{ kind }}, symbol, session_date, value::double as value, known_at
        from ({{ context[prefix ~ name]() }}) as plugin
        where isfinite(value)
        {% if not loop.last %}
            union all by name
        {% endif %}
    {% endfor %}
{% endmacro %}
