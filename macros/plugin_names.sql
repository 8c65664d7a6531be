{# Names of the plug-ins of a kind: every macro named <kind>__<name>, in order. #}
{% macro plugin_names(kind) %}
    {% set prefix = kind ~ "__" %}
    {% set only = var("only", none) %}
    {% set names = [] %}
    {% for key in context.keys() | sort if key.startswith(prefix) %}
        {% set name = key[prefix | length :] %}
        {% if only is none or only == name %} {% do names.append(name) %} {% endif %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}
