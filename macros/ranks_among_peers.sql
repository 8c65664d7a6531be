{# Ranks the new rows of a relation among the listed peers at the same instant: <measure>_rank is the share of
   them that lie below, less that of those above, from -1 to +1; peers with the same value are neither. Null
   for fewer than three assets with a value, itself among them. #}
{% macro ranks_among_peers(relation, measures) %}
    select
        one.symbol,
        one.session_date,
        one.known_at,
        {% for name in measures %}
            {% set peers = "(count(other." ~ name ~ ") - (one.is_listed)::integer)" %}
            case
                when one.{{ name }} is not null and {{ peers }} >= 2
                then
                    (
                        count(*) filter (where other.{{ name }} < one.{{ name }})
                        - count(*) filter (where other.{{ name }} > one.{{ name }})
                    )
                    / {{ peers }}
            end as {{ name }}_rank{{ "," if not loop.last }}
        {% endfor %}
    from {{ relation }} as one
    left join
        {{ relation }} as other
        on other.asset_group = one.asset_group
        and other.known_at = one.known_at
        and other.is_listed
    where one.is_new
    group by
        one.symbol,
        one.session_date,
        one.known_at,
        one.is_listed
        {% for name in measures %}, one.{{ name }}{% endfor %}
{% endmacro %}
