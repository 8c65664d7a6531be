-- Whether the market moves more, and more together, than it used to: one row per portfolio and decision_at.
-- volatility_surge: deviation of the universe's mean return over 21 decisions, over that of 252.
-- correlation_surge: the mean pairwise correlation of 63 decisions: the products of all pairs of normalised
-- returns, sum(u)² - sum(u²), over what they would be if all moved as one, (n - 1) sum(u²). Returns beyond
-- ten deviations count as ten, or one bar of a pegged currency would be the whole figure.
with
    bounded as (
        select
            quality.portfolio,
            quality.decision_at,
            returns.simple_return,
            greatest(-10, least(10, returns.normalised_return)) as normalised_return
        from {{ ref("data_quality") }} as quality
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = quality.portfolio
            and decisions.decision_at = quality.decision_at
        inner join
            {{ ref("decision_returns") }} as returns
            on returns.clock = decisions.clock
            and returns.symbol = quality.symbol
            and returns.decision_at = quality.decision_at
    ),
    summed as (
        select
            portfolio,
            decision_at,
            sum({{ exact("simple_return") }}) / 1e12 / nullif(count(simple_return), 0) as mean_return,
            count(normalised_return) as assets,
            sum({{ exact("normalised_return") }}) / 1e12 as total,
            sum({{ exact("pow(normalised_return, 2)") }}) / 1e12 as squares
        from bounded
        group by portfolio, decision_at
    ),
    rolled as (
        select
            portfolio,
            decision_at,
            {{ exact_deviation("mean_return", "past_month") }} as deviation_month,
            {{ exact_deviation("mean_return", "past_year") }} as deviation_year,
            {{ exact_sum("pow(total, 2) - squares", "past_quarter") }} as products,
            {{ exact_sum("(assets - 1) * squares", "past_quarter") }} as products_at_most,
            count(*) over past_year = 252 as has_year,
            count(*) over past_quarter = 63 as has_quarter
        from summed
        window
            past_month as (
                partition by portfolio order by decision_at rows between 20 preceding and current row
            ),
            past_quarter as (
                partition by portfolio order by decision_at rows between 62 preceding and current row
            ),
            past_year as (
                partition by portfolio order by decision_at rows between 251 preceding and current row
            )
    )
select
    portfolio,
    decision_at,
    case when has_year then deviation_month / nullif(deviation_year, 0) end as volatility_surge,
    case when has_quarter then products / nullif(products_at_most, 0) end as correlation_surge,
    decision_at as known_at
from rolled
