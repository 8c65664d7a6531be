{# Profits of assets summed over each group they count in, in integers of 1e-12, with the correlation of
   position and return across its assets where there are three: one row per clock, `keys`, asset_group and
   decision_at. `profits` has one row per clock, `keys`, symbol and decision_at; one that became known after
   its class's is left out. #}
{% macro group_sums_of(profits, keys) %}
    {% set by_key = (["clock"] + keys + ["decision_at"]) | join(", ") %}
    select
        summed.*,
        position_low <> 0 or position_high <> 0 as is_active,
        decisions.decision_number,
        decisions.known_at,
        case when summed.assets >= 3 then {{ correlation("summed.assets") }} end as correlation
    from
        (
            with
                by_class as (
                    select
                        profits.clock,
                        {% for key in keys %} profits.{{ key }}, {% endfor %}
                        profits.decision_at,
                        assets.asset_class as asset_group,
                        count(*) as assets,
                        sum({{ exact("gross_return") }}) as gross,
                        sum({{ exact("cost") }}) as cost,
                        sum({{ exact("turnover") }}) as turnover,
                        count(*) filter (where is_trade) as trades,
                        {% for name, expression in correlation_sums().items() %}
                            {{ expression }} as {{ name }}{{ ", " if not loop.last }}
                        {% endfor %}
                    from {{ profits }} as profits
                    inner join
                        {{ ref("assets") }} as assets
                        on assets.symbol = profits.symbol
                        and assets.listed_at <= profits.decision_at
                    inner join
                        {{ ref("group_decisions") }} as decisions
                        on decisions.clock = profits.clock
                        and decisions.asset_group = assets.asset_class
                        and decisions.decision_at = profits.decision_at
                    where profits.known_at <= decisions.known_at
                    group by all
                )
            from by_class
            union all by name
            select
                {{ by_key }},
                'all' as asset_group,
                sum(assets)::bigint as assets,
                sum(gross) as gross,
                sum(cost) as cost,
                sum(turnover) as turnover,
                sum(trades)::bigint as trades,
                {% for name, expression in correlations_added().items() %}
                    {{ expression }} as {{ name }}{{ ", " if not loop.last }}
                {% endfor %}
            from by_class
            group by all
        ) as summed
    inner join
        {{ ref("group_decisions") }} as decisions
        on decisions.clock = summed.clock
        and decisions.asset_group = summed.asset_group
        and decisions.decision_at = summed.decision_at
{% endmacro %}
