-- What baskets did between an asset's bar before and this one, as far as it was known at either: one
-- row per symbol, session_date and role. The market is the asset's class; risk is the mean of equities
-- and coins, its own class left out; base is the base currency, for pairs. A basket of fewer than three
-- members has no return.
with
    roles as (
        select asset_class, 'market' as role, asset_class as basket
        from {{ ref("asset_classes") }}
        union all
        select classes.asset_class, 'risk' as role, risky.basket
        from {{ ref("asset_classes") }} as classes
        inner join
            (select unnest(['equity', 'crypto']) as basket) as risky on risky.basket <> classes.asset_class
        union all
        select 'fx' as asset_class, 'base' as role, 'base_currency' as basket
    ),
    prints as (
        select bars.symbol, bars.session_date, roles.role, roles.basket, bars.known_at
        from {{ sliced(ref("daily_returns")) }} as bars
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        inner join roles on roles.asset_class = assets.asset_class
        where not bars.is_late
    ),
    read as (
        select
            prints.*,
            case
                when levels.members >= 3 and levels.known_at >= prints.known_at - interval 5 day
                then levels.level
            end as level
        from prints
        asof left join
            {{ ref("basket_levels") }} as levels
            on levels.basket = prints.basket
            and prints.known_at >= levels.known_at
    ),
    moved as (
        select *, level - lag(level) over (partition by symbol, role, basket order by known_at) as log_return
        from read
    )
select symbol, session_date, role, sum(log_return) / count(log_return) / 1e12 as log_return, known_at
from moved
where log_return is not null
group by symbol, session_date, role, known_at
