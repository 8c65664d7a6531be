{# Creates, where it is missing, every table that Python writes, with the columns of sources.yml. Spark is given
   them whole. #}
{% macro create_source_tables() %}
    {% if execute and target.type == "duckdb" %}
        {% do run_query("create schema if not exists stored") if target.name == "lake" %}
        {% for source in graph.sources.values() %}
            {% set columns = [] %}
            {% for column in source.columns.values() %}
                {% do columns.append('"' ~ column.name ~ '" ' ~ column.data_type) %}
            {% endfor %}
            {% set table = source.schema ~ "." ~ source.name %}
            {% set listed = columns | join(", ") %}
            {% do run_query("create schema if not exists " ~ source.schema) %}
            {% do run_query("create table if not exists " ~ table ~ " (" ~ listed ~ ")") %}
        {% endfor %}
    {% endif %}
{% endmacro %}
