{# How a table is made on target lake. DuckLake writes a hugeint into Parquet as a double, and says nothing: such a
   column is stored as decimal(38, 0), which refuses what does not fit, in schema stored below a view that has the
   name of the model and the type back. #}
{% materialization stored, adapter = "duckdb" %}
    {% set is_cast = "hugeint" in (model.columns.values() | map(attribute="data_type") | list) %}
    {% set wanted = this.incorporate(type="view" if is_cast else "table") %}
    {% set table = this.incorporate(path={"schema": "stored"}) if is_cast else wanted %}
    {% set existing = load_cached_relation(this) %}
    {% if existing is not none and existing.type != wanted.type %}
        {% do adapter.drop_relation(existing) %}
    {% endif %}
    {% call statement("main") %}
        {{ get_assert_columns_equivalent(compiled_code) }}
        create or replace table {{ table }} ({{ stored_columns() }});
        insert into {{ table }} by name select * from ({{ compiled_code }}
        );
        {% if is_cast %} create or replace view {{ wanted }} as select {{ shown_columns() }} from {{ table }}
            ;
        {% endif %}
    {% endcall %}
    {% do adapter.commit() %}
    {{ return({"relations": [wanted]}) }}
{% endmaterialization %}

{% macro stored_columns() %}
    {% for column in model.columns.values() %}
        "{{ column.name }}" {{ "decimal(38, 0)" if column.data_type == "hugeint" else column.data_type }}
        {{- "," if not loop.last }}
    {% endfor %}
{% endmacro %}

{% macro shown_columns() %}
    {% for column in model.columns.values() %}
        "{{ column.name }}"{{ "::hugeint" if column.data_type == "hugeint" }} as "{{ column.name }}"
        {{- "," if not loop.last }}
    {% endfor %}
{% endmacro %}
