-- Where an asset stands in its class, and among all assets, when its bar becomes known: one row per
-- symbol and session_date that did not come late. Ranks are from -1 to +1, higher for more of what is
-- ranked. Returns are rounded, so that two prices that ended where they began are equal whatever their
-- sums left over.
with
    measured as (
        select
            peers.*,
            round(bars.log_return_half - bars.log_return_month, 10) as momentum,
            (bars.log_return_half - bars.log_return_month) / bars.deviation_year as steady_momentum,
            case when bars.log_return_month is not null then round(bars.log_return_week, 10) end as week,
            bars.deviation_quarter as volatility,
            residuals.beta,
            residuals.residual_deviation,
            volumes.money_quarter as size
        from {{ news(ref("peers")) }} as peers
        inner join
            {{ ref("bar_statistics") }} as bars
            on bars.symbol = peers.symbol
            and bars.session_date = peers.session_date
            and bars.known_at <= peers.known_at
        inner join
            {{ ref("market_residuals") }} as residuals
            on residuals.symbol = peers.symbol
            and residuals.session_date = peers.session_date
            and residuals.known_at <= peers.known_at
        inner join
            {{ ref("volume_statistics") }} as volumes
            on volumes.symbol = peers.symbol
            and volumes.session_date = peers.session_date
            and volumes.known_at <= peers.known_at
    ),
    classes as (select * from measured where asset_group <> 'all'),
    everything as (select * from measured where asset_group = 'all'),
    in_class as (
        {{
            ranks_among_peers(
                "classes", ["momentum", "week", "volatility", "beta", "residual_deviation", "size"]
            )
        }}
    ),
    in_all as ({{ ranks_among_peers("everything", ["steady_momentum"]) }})
select
    in_class.symbol,
    in_class.session_date,
    in_all.steady_momentum_rank as overall_momentum_rank,
    in_class.momentum_rank,
    in_class.week_rank,
    in_class.volatility_rank,
    in_class.beta_rank,
    in_class.residual_deviation_rank,
    in_class.size_rank,
    in_class.known_at
from in_class
inner join in_all on in_all.symbol = in_class.symbol and in_all.known_at = in_class.known_at
