{# How a table is made on target spark: what stands between the two marks is SQL of DuckDB, which flows/spark
   translates as it is handed over. Every model is a table there, made anew, so that each is computed once. #}
{% materialization grown, adapter = "spark" %}
    {{ return(materialization_table_spark()) }}
{% endmaterialization %}

{% materialization view, adapter = "spark" %}
    {{ return(materialization_table_spark()) }}
{% endmaterialization %}

{% macro spark__create_table_as(temporary, relation, compiled_code, language="sql") %}
    create table {{ relation }} using parquet as
    select
    {% for column in model.columns.values() %}
            cast(`{{ column.name }}` as {{ spark_type(column.data_type) }}) as `{{ column.name }}`
        {{- "," if not loop.last }}
    {% endfor %}
    from ({{ of_duckdb(compiled_code) }})
{% endmacro %}

{# dbt's tests: the query is DuckDB's, and what dbt asks of it Spark's. #}
{% macro spark__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) %}
    select
    {{ fail_calc }} as failures,
    {{ fail_calc }} {{ warn_if }} as should_warn,
    {{ fail_calc }} {{ error_if }} as should_error
    from ({{ of_duckdb(main_sql) }} {{ "limit " ~ limit if limit is not none }})
{% endmacro %}

{% macro of_duckdb(sql) %}
    /* duckdb */
    {{ sql }}
/* spark */
{% endmacro %}

{# A type of a contract, as Spark has it. #}
{% macro spark_type(data_type) %}
    {% set kinds = {"varchar": "string", "hugeint": "decimal(38, 0)"} %}
    {% if data_type.endswith("[]") %} array<{{ spark_type(data_type[:-2]) }}>
    {% elif data_type.startswith("struct(") %} struct<
        {{ data_type[7:-1] | replace(" ", ":") | replace(",:", ", ") }}>
    {% else %} {{ kinds.get(data_type, data_type) }}
    {% endif %}
{% endmacro %}
