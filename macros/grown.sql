{# How a table is made that grows: where a run adds to what stands, the rows known by `since()` stay as they
   are, and the model's rows known after it take the place of the others. Nothing anticipates, so that is the
   table that would be made anew. A table without known_at, or one with ends that come later, names the
   columns of a row under `keys`; one that names none, and each table of a run that adds to nothing, is made
   anew. On target lake all are. #}
{% materialization grown, adapter = "duckdb" %}
    {% if target.name == "lake" %} {{ return(materialization_stored_duckdb()) }} {% endif %}
    {% set columns = model.columns.keys() | list %}
    {% set keys = config.get("meta").get("keys", []) %}
    {% set ends = ["superseded_at", "until_at"] | select("in", columns) | list %}
    {% set is_dated = "known_at" in columns %}
    {% if since() is none or load_cached_relation(this) is none or not (keys or (is_dated and not ends)) %}
        {{ return(materialization_table_duckdb()) }}
    {% endif %}
    {% set stamps = (["known_at"] if is_dated else []) + ends %}
    {% set listed = '"' ~ columns | join('", "') ~ '"' %}
    {% call statement("main") %}
        create or replace temp table {{ this.identifier }}_news as
        select {{ listed }} from ({{ compiled_code }}
        )
        where
            {% for stamp in stamps %} {{ new(stamp) }} or {% endfor %} {{ "false" if stamps else "true" }}
        ;
        {% if is_dated %} delete from {{ this }} where {{ new("known_at") }}
            ;
        {% endif %}
        {% if keys %}
            delete from {{ this }} as stood
            using {{ this.identifier }}_news as news
            where {% for key in keys %} stood.{{ key }} = news.{{ key }}{{ " and " if not loop.last }} {% endfor %}
            ;
        {% endif %}
        insert into {{ this }} ({{ listed }}) select {{ listed }} from {{ this.identifier }}_news;
        drop table {{ this.identifier }}_news;
    {% endcall %}
    {% do adapter.commit() %}
    {{ return({"relations": [this]}) }}
{% endmaterialization %}

{# By when all was known that stands already, as text; none where all tables are made anew. #}
{% macro since() %} {{ return(var("since", none)) }} {% endmacro %}

{# Whether a stamp is of what is to be made. #}
{% macro new(stamp) %}
    {% if since() is none %} true {% else %} {{ stamp }} > timestamp '{{ since() }}' {% endif %}
{% endmacro %}

{# The rows of a relation that a new day can need: those whose `stamp` is new, or no older than `back`. #}
{% macro news(relation, stamp="known_at", back=none) %}
    {% if since() is none %} {{ relation }}
    {% else %}
        (
            select *
            from {{ relation }}
            where {{ stamp }} > timestamp '{{ since() }}' {% if back %} - {{ back }} {% endif %}
        )
    {% endif %}
{% endmacro %}

{# Rows of the model itself that stand already, to go on from. #}
{% macro and_kept(columns, condition="true") %}
    {% if since() is not none %}
        union all by name
        select {{ columns }}
        from {{ this }}
        where known_at <= timestamp '{{ since() }}' and {{ condition }}
    {% endif %}
{% endmacro %}
