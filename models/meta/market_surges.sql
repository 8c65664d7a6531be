-- Whether the market moves more, and more together, than it used to: one row per portfolio and decision_at.
-- volatility_surge: deviation of the universe's mean return over 21 decisions, over that of 252.
-- correlation_surge: the mean pairwise correlation implied by 63 decisions of normalised returns:
-- (n mean(m²) / mean(q) - 1) / (n - 1), m their mean and q their mean square across n assets.
with
    means as (
        select
            quality.portfolio,
            quality.decision_at,
            count(returns.normalised_return) as assets,
            sum({{ exact("returns.simple_return") }})
            / 1e12
            / nullif(count(returns.simple_return), 0) as mean_return,
            sum({{ exact("returns.normalised_return") }})
            / 1e12
            / nullif(count(returns.normalised_return), 0) as mean_normalised,
            sum({{ exact("pow(returns.normalised_return, 2)") }})
            / 1e12
            / nullif(count(returns.normalised_return), 0) as mean_square
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
        group by quality.portfolio, quality.decision_at
    ),
    rolled as (
        select
            portfolio,
            decision_at,
            {{ exact_deviation("mean_return", "past_month") }} as deviation_month,
            {{ exact_deviation("mean_return", "past_year") }} as deviation_year,
            {{ exact_mean("assets", "past_quarter") }} as assets,
            {{ exact_mean("pow(mean_normalised, 2)", "past_quarter") }} as mean_squared,
            {{ exact_mean("mean_square", "past_quarter") }} as squares_mean,
            count(*) over past_year = 252 as has_year,
            count(*) over past_quarter = 63 as has_quarter
        from means
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
    case
        when has_quarter and assets > 1
        then (assets * mean_squared / nullif(squares_mean, 0) - 1) / (assets - 1)
    end as correlation_surge,
    decision_at as known_at
from rolled
