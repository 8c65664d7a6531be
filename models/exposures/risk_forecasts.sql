-- What was forecast of the risk of each decision, and what came: one row per portfolio and decision_at at
-- which something is held, once 21 more are known. Weights are kept constant, so that it is the forecast
-- that is judged and not what was done after it.
with
    followed as (
        select
            held.portfolio,
            held.decision_at,
            instants.decision_number - decisions.decision_number as step,
            sum({{ exact("held.weight * returns.simple_return") }}) / 1e12 as later_return,
            max(returns.known_at) as known_at
        from {{ ref("target_exposures") }} as held
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = held.portfolio
            and decisions.decision_at = held.decision_at
        inner join
            {{ ref("clock_instants") }} as instants
            on instants.clock = decisions.clock
            and instants.decision_number > decisions.decision_number
            and instants.decision_number <= decisions.decision_number + 21
        inner join
            {{ ref("decision_returns") }} as returns
            on returns.clock = instants.clock
            and returns.symbol = held.symbol
            and returns.decision_at = instants.decision_at
        where held.symbol <> 'CASH' and held.weight <> 0
        group by held.portfolio, held.decision_at, instants.decision_number - decisions.decision_number
    ),
    came as (
        select
            portfolio,
            decision_at,
            sum({{ exact("later_return") }}) filter (step = 1) / 1e12 as next_return,
            sqrt(
                greatest(
                    21 * sum({{ exact("later_return", 2500) }}::hugeint * {{ exact("later_return", 2500) }})
                    - sum({{ exact("later_return", 2500) }})::hugeint
                    * sum({{ exact("later_return", 2500) }})::hugeint,
                    0
                )::double
                / (21 * 20)
            )
            / 1e12 as deviation,
            max(known_at) as known_at
        from followed
        group by portfolio, decision_at
        having count(*) = 21
    ),
    forecasts as (
        select
            portfolio,
            decision_at,
            max(value) filter (measure = 'volatility') as volatility,
            max(value) filter (measure = 'var_95') as var_95,
            max(value) filter (measure = 'var_95_historical') as var_95_historical,
            max(value) filter (measure = 'var_95_cornish_fisher') as var_95_cornish_fisher
        from {{ ref("portfolio_risk") }}
        group by portfolio, decision_at
    )
select
    came.portfolio,
    came.decision_at,
    forecasts.volatility as forecast_volatility,
    came.deviation * sqrt(clocks.decisions_per_year) as realised_volatility,
    forecasts.var_95,
    forecasts.var_95_historical,
    forecasts.var_95_cornish_fisher,
    came.next_return,
    came.known_at
from came
inner join forecasts on forecasts.portfolio = came.portfolio and forecasts.decision_at = came.decision_at
inner join {{ ref("portfolios") }} as portfolios on portfolios.portfolio = came.portfolio
inner join {{ ref("clocks") }} as clocks on clocks.clock = portfolios.clock
