{# The rows of one seed as this run may see it: the content of its latest visible batch, every value text. #}
{% macro study_rows(seed, columns) %}
    {% set shape = [] %}
    {% for column in columns %} {% do shape.append('"' ~ column ~ '": "VARCHAR"') %} {% endfor %}
    (
        with
            visible as (
                select rows_json
                from {{ source("raw", "study") }} as study
                cross join {{ ref("run_bounds") }} as bounds
                where study.seed = '{{ seed }}' and study.batch_id <= bounds.batch_until
                order by study.batch_id desc
                limit 1
            ),
            listed as (
                select unnest(from_json(rows_json, '[{{ "{" ~ shape | join(", ") ~ "}" }}]')) as row
                from visible
            )
        select {% for column in columns %} nullif(row.{{ column }}, '') as {{ column }},{% endfor %}
        from listed
    )
{% endmacro %}
