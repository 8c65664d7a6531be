{# Profits of assets summed over each group they count in, in integers of 1e-12, with the correlation of
   position and return across its assets where there are three: one row per clock, `keys`, asset_group and
   decision_at. `profits` has one row per clock, `keys`, symbol and decision_at; one that became known after
   the group's is left out. #}
{% macro group_sums_of(profits, keys) %}
    select *, case when assets >= 3 then {{ correlation("assets") }} end as correlation
    from
        (
            select
                profits.clock,
                {% for key in keys %} profits.{{ key }}, {% endfor %}
                groups.asset_group,
                decisions.decision_at,
                decisions.decision_number,
                decisions.known_at,
                count(*) as assets,
                sum({{ exact("gross_return") }}) as gross,
                sum({{ exact("cost") }}) as cost,
                sum({{ exact("turnover") }}) as turnover,
                count(*) filter (where is_trade) as trades,
                bool_or(position <> 0) as is_active,
                {% for name, expression in correlation_sums().items() %}
                    {{ expression }} as {{ name }}{{ ", " if not loop.last }}
                {% endfor %}
            from {{ profits }} as profits
            inner join
                {{ ref("asset_groups") }} as groups
                on groups.symbol = profits.symbol
                and groups.listed_at <= profits.decision_at
            inner join
                {{ ref("group_decisions") }} as decisions
                on decisions.clock = profits.clock
                and decisions.asset_group = groups.asset_group
                and decisions.decision_at = profits.decision_at
            where profits.known_at <= decisions.known_at
            group by
                profits.clock,
                {% for key in keys %} profits.{{ key }}, {% endfor %}
                groups.asset_group,
                decisions.decision_at,
                decisions.decision_number,
                decisions.known_at
        )
{% endmacro %}
