{# What the weights of each decision would have earned, held constant, at decisions before it: one row per
   portfolio, decision_at and replayed_at. `most` is how many of the last decisions are replayed; all history
   that was known unless it is given. An asset without a return then earns nothing; covered is the weight of those
   that have one, of shorts their size. #}
{% macro replayed_returns(most=none) %}
    select
        held.portfolio,
        held.decision_at,
        instants.decision_at as replayed_at,
        instants.decision_number as replayed_number,
        sum({{ exact("held.weight * returns.simple_return") }}) / 1e12 as replayed_return,
        sum({{ exact("abs(held.weight)") }}) / 1e12 as covered
    from {{ ref("target_exposures") }} as held
    inner join
        {{ ref("decisions") }} as decisions
        on decisions.portfolio = held.portfolio
        and decisions.decision_at = held.decision_at
    inner join
        {{ ref("decision_returns") }} as returns
        on returns.clock = decisions.clock
        and returns.symbol = held.symbol
        and returns.known_at <= held.decision_at
    inner join
        {{ ref("clock_instants") }} as instants
        on instants.clock = returns.clock
        and instants.decision_at = returns.decision_at
        {% if most %} and instants.decision_number > decisions.decision_number - {{ most }} {% endif %}
    where held.symbol <> 'CASH' and held.weight <> 0 and {{ new("held.decision_at") }}
    group by held.portfolio, held.decision_at, instants.decision_at, instants.decision_number
{% endmacro %}
