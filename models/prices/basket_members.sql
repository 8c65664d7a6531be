-- Which assets make a basket, and which way round: one row per basket and symbol. A class holds its
-- assets; the base currency is short the pairs that quote it and long those it is quoted in; other
-- pairs say nothing of it.
with base as (select min(base_currency) as currency from {{ ref("clocks") }})
select asset_class as basket, symbol, asset_class, 1 as direction
from {{ ref("assets") }}
union all
select
    'base_currency' as basket,
    assets.symbol,
    assets.asset_class,
    case when assets.currency = base.currency then -1 else 1 end as direction
from {{ ref("assets") }} as assets
cross join base
where
    assets.asset_class = 'fx'
    and (assets.currency = base.currency or assets.symbol = base.currency || '-' || assets.currency)
