{# How a table is made that grows: where a run adds to what stands, the rows known by `since()` stay as they
   are, and the model's rows known after it take the place of the others. Nothing anticipates, so that is the
   table that would be made anew. A table of which rows change later, or without known_at, says under `keys`
   what a row is; where a row has an end that may come later, `end` is its column. What has neither keys nor
   known_at is made anew, and so is each table of a run that adds to nothing, or is made in a lake. #}
{% materialization grown, adapter = "duckdb" %}
    {% if target.name == "lake" %} {{ return(materialization_stored_duckdb()) }} {% endif %}
    {% set columns = model.columns.keys() | list %}
    {% set keys, end = config.get("meta").get("keys", []), config.get("meta").get("end") %}
    {% set is_dated = "known_at" in columns %}
    {% if since() is none or load_cached_relation(this) is none or not (keys or is_dated) %}
        {{ return(materialization_table_duckdb()) }}
    {% endif %}
    {% set stamps = (["known_at"] if is_dated else []) + ([end] if end else []) %}
    {% set listed = '"' ~ columns | join('", "') ~ '"' %}
    {% call statement("main") %}
        create or replace temp table {{ this.identifier }}_news as
        select {{ listed }} from ({{ compiled_code }}
        )
        where
        {% for stamp in stamps %}
            {{ new(stamp) }} or {% endfor %} {{ "false" if stamps else "true" }}
        ;
        {% if is_dated %}
            delete from {{ this }}
            where {{ new("known_at") }}
            ;
        {% endif %}
        {% if keys %}
            delete from {{ this }} as stood
            using {{ this.identifier }}_news as news
            where
                {% for key in keys %}
                    stood.{{ key }} = news.{{ key }}{{ " and " if not loop.last }}
                {% endfor %}
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

{# The new rows of a relation, and the last that stands of each key. #}
{% macro and_last(relation, keys) %}
    {% if since() is none %} {{ relation }}
    {% else %}
        {% set by_key = keys | join(", ") %}
        (
            select rows.*
            from {{ relation }} as rows
            left join
                (
                    select {{ by_key }}, max(known_at) as last_known_at
                    from {{ relation }}
                    where known_at <= timestamp '{{ since() }}'
                    group by {{ by_key }}
                ) as stood using ({{ by_key }})
            where {{ new("rows.known_at") }} or rows.known_at = stood.last_known_at
        )
    {% endif %}
{% endmacro %}

{# Rows of each key of which there is something new, as `news` means it, from the one before on, in the order of
   decisions. #}
{% macro from_before_news(relation, keys, stamp="known_at", back=none) %}
    {% if since() is none %} {{ relation }}
    {% else %}
        {% set by_key = keys | join(", ") %}
        (
            with
                firsts as (
                    select {{ by_key }}, min(decision_at) as decision_at
                    from {{ news(relation, stamp, back) }}
                    group by {{ by_key }}
                ),
                starts as (
                    select
                        {% for key in keys %} firsts.{{ key }},
                        {% endfor %}
                        max(rows.decision_at) as decision_at
                    from firsts
                    left join
                        {{ relation }} as rows on rows.decision_at < firsts.decision_at
                        {% for key in keys %} and rows.{{ key }} = firsts.{{ key }}
                        {% endfor %}
                    group by all
                )
            select rows.*
            from {{ relation }} as rows
            inner join starts using ({{ by_key }})
            where rows.decision_at >= coalesce(starts.decision_at, '1900-01-01'::timestamp)
        )
    {% endif %}
{% endmacro %}

{# The new rows of a relation, and so many decisions before them of each key. #}
{% macro and_decisions_before(relation, decisions, keys) %}
    {% if since() is none %} {{ relation }}
    {% else %}
        {% set by_key = keys | join(", ") %}
        (
            select rows.*
            from {{ relation }} as rows
            left join
                (
                    select {{ by_key }}, list_min(max(decision_at, {{ decisions }})) as first_decision_at
                    from {{ relation }}
                    where known_at <= timestamp '{{ since() }}'
                    group by {{ by_key }}
                ) as starts using ({{ by_key }})
            where rows.decision_at >= coalesce(starts.first_decision_at, '1900-01-01'::timestamp)
        )
    {% endif %}
{% endmacro %}

{# Whether a row has no answer yet in the model itself. #}
{% macro not_kept(row, keys) %}
    {% if since() is none %} true
    {% else %}
        not exists (
            from {{ this }} as stood
            where
                stood.known_at <= timestamp '{{ since() }}'
                {% for key in keys %} and stood.{{ key }} = {{ row }}.{{ key }}
                {% endfor %}
        )
    {% endif %}
{% endmacro %}

{# Orders of each asset from the first that was filled on, of those without an answer in the model itself. #}
{% macro unfinished(orders) %}
    {% if since() is none %} {{ orders }}
    {% else %}
        (
            select orders.*
            from {{ orders }} as orders
            inner join
                (
                    select fills.clock, fills.symbol, min(fills.decision_number) as decision_number
                    from {{ orders }} as fills
                    where
                        fills.status = 'filled'
                        and {{ not_kept("fills", ["clock", "symbol", "decision_at"]) }}
                    group by fills.clock, fills.symbol
                ) as starts
                on starts.clock = orders.clock
                and starts.symbol = orders.symbol
                and starts.decision_number <= orders.decision_number
        )
    {% endif %}
{% endmacro %}

{# Whether a span that ends before a decision has any of which something new is known, by one of `relations`, or
   that is new itself. #}
{% macro reaches_news(until_number, relations) %}
    {% set instants = ref("clock_instants") %}
    {% if since() is none %} true
    {% else %}
        {{ until_number }} >= (
            select min(decision_number)
            from
                (
                    select decision_number
                    from {{ instants }}
                    where {{ new("decision_at") }}
                    {% for relation in relations %}
                        union all
                        select decision_number
                        from {{ news(relation) }}
                    {% endfor %}
                )
        )
    {% endif %}
{% endmacro %}

{# Whether a decision is in a test span that ends in a new day, or just before it. #}
{% macro in_ended_span(decision_number) %}
    {% set windows, instants, bounds = (
        ref("walk_forward_windows"),
        ref("clock_instants"),
        ref("run_bounds"),
    ) %}
    {% if since() is none %} true
    {% else %}
        {{ decision_number }} >= (
            select min(windows.test_from_number) - 1
            from {{ windows }} as windows
            inner join
                {{ instants }} as ends
                on ends.clock = windows.clock
                and ends.decision_number = windows.test_until_number - 1
            cross join {{ bounds }} as bounds
            where {{ new("ends.decision_at") }} and ends.decision_at <= bounds.as_of
        )
    {% endif %}
{% endmacro %}

{# Whether a decision is in a block of which something new is known in a relation with the same keys. #}
{% macro in_new_block(row, relation, keys) %}
    {% set plans = ref("laid_plans") %}
    {% if since() is none %} true
    {% else %}
        exists (
            from
                (
                    select
                        {% for key in keys %} news.{{ key }},
                        {% endfor %}
                        plans.block_length,
                        divide(news.decision_number - 1, plans.block_length) as block
                    from {{ news(relation) }} as news
                    inner join
                        (select distinct clock, block_length from {{ plans }}) as plans
                        on plans.clock = news.clock
                    group by all
                ) as news
            where
                news.block_length = {{ row }}.block_length and news.block = {{ row }}.block
                {% for key in keys %} and news.{{ key }} = {{ row }}.{{ key }}
                {% endfor %}
        )
    {% endif %}
{% endmacro %}

{# In-sample profits of the windows of which any is new, or has become one of its group's. #}
{% macro of_new_samples(profits) %}
    {% set decisions = ref("group_decisions") %}
    {% if since() is none %} {{ profits }}
    {% else %}
        (
            select rows.*
            from {{ profits }} as rows
            inner join
                (
                    select distinct clock, plan, window_id
                    from {{ profits }}
                    where
                        {{ new("known_at") }}
                        or (clock, decision_at) in (select (clock, decision_at) from {{ news(decisions) }})
                ) as samples using (clock, plan, window_id)
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
                {% for key in keys %} and news.{{ key }} = {{ row }}.{{ key }}
                {% endfor %}
        )
    {% endif %}
{% endmacro %}

{# Rows of the model itself that stand already, to go on from; the last of each key alone where `last_of` names
   it. #}
{% macro and_kept(columns, condition="true", last_of=none) %}
    {% if since() is not none %}
        {% set stood = "from " ~ this ~ " where known_at <= timestamp '" ~ since() ~ "' and " ~ condition %}
        union all by name
        select
            {{ columns }} {{ stood }}
            {% if last_of %}
                and ({{ last_of }}, known_at)
                in (select ({{ last_of }}, max(known_at)) {{ stood }} group by {{ last_of }})
            {% endif %}
    {% endif %}
{% endmacro %}
