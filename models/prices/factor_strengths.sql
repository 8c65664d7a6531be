-- How well the factors of a class paid of late, side by side: one row per asset_class and instant at
-- which one of them earned something.
select
    asset_class,
    max(strength) filter (where factor = 'momentum') as momentum,
    max(strength) filter (where factor = 'size') as size,
    max(strength) filter (where factor = 'volatility') as volatility,
    known_at
from {{ ref("factor_returns") }}
where factor <> 'market'
group by asset_class, known_at
