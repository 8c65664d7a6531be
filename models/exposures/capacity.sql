-- What a portfolio would have earned with more money, trades as they were and impact growing with its root:
-- one row per portfolio, decision_at, span and assets_under_management.
with
    sized as (
        select
            moments.*,
            sizes.assets_under_management,
            sqrt(sizes.assets_under_management / 1e8) as scale,
            clocks.decisions_per_year
        from {{ ref("capacity_moments") }} as moments
        inner join {{ ref("portfolios") }} as portfolios on portfolios.portfolio = moments.portfolio
        inner join {{ ref("clocks") }} as clocks on clocks.clock = portfolios.clock
        cross join
            (values (1e5), (3e5), (1e6), (3e6), (1e7), (3e7), (1e8), (3e8), (1e9), (3e9), (1e10)) as sizes(
                assets_under_management
            )
    )
select
    portfolio,
    decision_at,
    span,
    assets_under_management,
    decisions_per_year * (profit - scale * impact) as annual_return,
    assets_under_management * decisions_per_year * (profit - scale * impact) as annual_profit,
    (profit - scale * impact)
    / nullif(sqrt(greatest(profit_variance - 2 * scale * covariance + scale * scale * impact_variance, 0)), 0)
    * sqrt(decisions_per_year) as sharpe,
    known_at
from sized
