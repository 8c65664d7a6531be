{# Adds <measure>_rank to the rows of a relation for each of its measures: the share of listed peers at
   the same instant that lie below, less that of those above, from -1 to +1; peers with the same value
   are neither. Null for fewer than three assets with a value, itself among them. #}
{% macro ranks_among_peers(relation, measures) %}
    select
        counted.*,
        {% for name in measures %}
            case
                when {{ name }} is not null and {{ name }}_peers >= 2 then {{ name }}_lead / {{ name }}_peers
            end as {{ name }}_rank{{ "," if not loop.last }}
        {% endfor %}
    from
        (
            select
                *,
                {% for name in measures %}
                    {% set peers = "count(" ~ name ~ ") filter (where is_listed) over " %}
                    {{ peers }} (partition by asset_group, known_at)
                    - (is_listed and {{ name }} is not null)::integer as {{ name }}_peers,
                    {{ peers }} (
                        partition by asset_group, known_at
                        order by {{ name }}
                        range between unbounded preceding and current row
                    ) - {{ peers }} (
                        partition by asset_group, known_at
                        order by {{ name }} desc
                        range between unbounded preceding and current row
                    ) as {{ name }}_lead{{ "," if not loop.last }}
                {% endfor %}
            from {{ relation }}
        ) as counted
{% endmacro %}
