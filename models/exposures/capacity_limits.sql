-- The size of a portfolio at which its profit a year peaks, and at which its Sharpe ratio is half of what
-- it is without impact: one row per portfolio, decision_at and span. Profit is A (m - k sqrt(A)), greatest
-- at A = (2 m / 3 k)²; the half is the smaller root of (m - s k)² = m² / 4 v · (v - 2 s c + s² u), s =
-- sqrt(A).
with
    quadratic as (
        select
            moments.*,
            clocks.decisions_per_year,
            pow(impact, 2) - pow(profit, 2) / nullif(4 * profit_variance, 0) * impact_variance as square,
            2 * (pow(profit, 2) / nullif(4 * profit_variance, 0) * covariance - profit * impact) as slope
        from {{ ref("capacity_moments") }} as moments
        inner join {{ ref("portfolios") }} as portfolios on portfolios.portfolio = moments.portfolio
        inner join {{ ref("clocks") }} as clocks on clocks.clock = portfolios.clock
    ),
    solved as (
        select
            *,
            case when profit > 0 and impact > 0 then pow(2 * profit / (3 * impact), 2) end as peak,
            case
                when profit > 0 and impact > 0 and profit_variance > 0
                then
                    1.5
                    * pow(profit, 2)
                    / nullif(- slope + sqrt(greatest(pow(slope, 2) - 3 * square * pow(profit, 2), 0)), 0)
            end as half
        from quadratic
    )
select
    portfolio,
    decision_at,
    span,
    observations,
    measured,
    1e8 * peak as peak_assets,
    1e8 * peak * decisions_per_year * profit / 3 as peak_profit,
    1e8 * pow(half, 2) as half_sharpe_assets,
    case
        when peak is not null and half is not null
        then null
        when profit <= 0
        then 'there is no profit to lose'
        when impact = 0
        then 'no asset that was traded tells its volume'
        else 'the returns do not deviate'
    end as undefined,
    known_at
from solved
