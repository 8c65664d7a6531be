-- What each decision's weights would gain or lose, as a share of value: one row per portfolio, decision_at
-- and scenario. worst_1, worst_5 and worst_21 are the worst spans of so many decisions in all history known
-- at the decision, with the weights kept constant; the others are the shocks of the seed stress_scenarios.
with
    replays as ({{ replayed_returns() }}),
    spans as (
        select
            *,
            {{ exact("ln(greatest(1 + replayed_return, 1e-9))") }} as worst_1,
            case
                when count(*) over past_week = 5
                then sum({{ exact("ln(greatest(1 + replayed_return, 1e-9))") }}) over past_week
            end as worst_5,
            case
                when count(*) over past_month = 21
                then sum({{ exact("ln(greatest(1 + replayed_return, 1e-9))") }}) over past_month
            end as worst_21
        from replays
        window
            past_week as (
                partition by portfolio, decision_at
                order by replayed_number
                rows between 4 preceding and current row
            ),
            past_month as (
                partition by portfolio, decision_at
                order by replayed_number
                rows between 20 preceding and current row
            )
    ),
    worst as (
        select
            portfolio,
            decision_at,
            min(worst_1) as worst_1,
            min(worst_5) as worst_5,
            min(worst_21) as worst_21
        from spans
        group by portfolio, decision_at
    ),
    found as (
        select
            spans.portfolio,
            spans.decision_at,
            lengths.scenario,
            case
                lengths.decisions when 1 then worst.worst_1 when 5 then worst.worst_5 else worst.worst_21
            end as log_return,
            lengths.decisions,
            min(spans.replayed_number) as until_number
        from spans
        inner join worst on worst.portfolio = spans.portfolio and worst.decision_at = spans.decision_at
        inner join
            (values ('worst_1', 1), ('worst_5', 5), ('worst_21', 21)) as lengths(scenario, decisions)
            on (lengths.decisions = 1 and spans.worst_1 = worst.worst_1)
            or (lengths.decisions = 5 and spans.worst_5 = worst.worst_5)
            or (lengths.decisions = 21 and spans.worst_21 = worst.worst_21)
        group by all
    ),
    base as (select clock, base_currency from {{ ref("clocks") }}),
    scenarios as (
        select
            scenario,
            coalesce(max(shock) filter (asset_class = 'crypto'), 0) as crypto,
            coalesce(max(shock) filter (asset_class = 'equity'), 0) as equity,
            coalesce(max(shock) filter (asset_class = 'fx'), 0) as fx,
            coalesce(max(shock) filter (asset_class = 'currency'), 0) as currency
        from {{ ref("stress_scenarios") }}
        group by scenario
    ),
    shocked as (
        select
            held.portfolio,
            held.decision_at,
            scenarios.scenario,
            held.weight,
            case
                assets.asset_class
                when 'crypto'
                then scenarios.crypto
                when 'equity'
                then scenarios.equity
                else scenarios.fx
            end as own,
            case
                when assets.asset_class = 'fx' and assets.currency = base.base_currency
                then scenarios.currency
                when assets.asset_class = 'fx' and starts_with(assets.symbol, base.base_currency || '-')
                then - scenarios.currency
                when assets.asset_class = 'fx' or assets.currency = base.base_currency
                then 0
                else scenarios.currency
            end as money,
            held.known_at
        from {{ ref("target_exposures") }} as held
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = held.portfolio
            and decisions.decision_at = held.decision_at
        inner join base on base.clock = decisions.clock
        inner join {{ ref("assets") }} as assets on assets.symbol = held.symbol
        cross join scenarios
        where held.weight <> 0
    )
select
    found.portfolio,
    found.decision_at,
    found.scenario,
    exp(found.log_return / 1e12) - 1 as profit,
    since.decision_at as from_at,
    until.decision_at as until_at,
    found.decision_at as known_at
from found
inner join {{ ref("portfolios") }} as portfolios on portfolios.portfolio = found.portfolio
inner join
    {{ ref("clock_instants") }} as until
    on until.clock = portfolios.clock
    and until.decision_number = found.until_number
inner join
    {{ ref("clock_instants") }} as since
    on since.clock = portfolios.clock
    and since.decision_number = found.until_number - found.decisions + 1
union all
select
    portfolio,
    decision_at,
    scenario,
    sum({{ exact("weight * ((1 + own) * (1 + money) - 1)") }}) / 1e12 as profit,
    null as from_at,
    null as until_at,
    known_at
from shocked
group by portfolio, decision_at, scenario, known_at
