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

{# Whether all is made anew, and not added to what stands. #}
{% macro anew() %} {{ "true" if since() is none else "false" }} {% endmacro %}

{# The new rows of a relation, and of those that stand the last of each key. #}
{% macro from_last_on(relation, key) %}
    {% if since() is none %} {{ relation }}
    {% else %}
        (
            select *
            from {{ relation }}
            where
                known_at > timestamp '{{ since() }}'
                or ({{ key }}, known_at) in (
                    select ({{ key }}, max(known_at))
                    from {{ relation }}
                    where known_at <= timestamp '{{ since() }}'
                    group by {{ key }}
                )
        )
    {% endif %}
{% endmacro %}

{# Whether a row has the keys of a new row of a relation. #}
{% macro of_news(row, relation, keys) %}
    {% if since() is none %} true
    {% else %}
        exists (
            from {{ relation }} as news
            where
                news.known_at > timestamp '{{ since() }}'
                {% for key in keys %} and news.{{ key }} = {{ row }}.{{ key }} {% endfor %}
        )
    {% endif %}
{% endmacro %}

{# Rows of the model itself that stand already, to go on from; the last of each key alone where `last_of` names
   it. #}
{% macro and_kept(columns, condition="true", last_of=none) %}
    {% if since() is not none %}
        {% set stood = "(select * from " ~ this ~ " where known_at <= timestamp '" ~ since() ~ "')" %}
        union all by name
        select {{ columns }}
        from {{ stood }} as stood
        where
            {{ condition }}
            {% if last_of %}
                and ({{ last_of }}, known_at)
                in (select ({{ last_of }}, max(known_at)) from {{ stood }} group by {{ last_of }})
            {% endif %}
    {% endif %}
{% endmacro %}
