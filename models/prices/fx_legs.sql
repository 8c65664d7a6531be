-- What one currency was worth in another, by each pair of them and both ways round, as first printed: one row
-- per symbol, currency and session_date. Coins count as currencies, since there are prices in them.
with
    pairs as (
        select
            bars.symbol,
            split_part(bars.symbol, '-', 1) as left_currency,
            split_part(bars.symbol, '-', 2) as right_currency,
            bars.session_date,
            bars.close,
            assets.listed_at,
            bars.known_at
        from {{ ref("vintage_bars") }} as bars
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        where assets.asset_class in ('fx', 'crypto') and bars.is_own and not bars.is_late
    )
select
    symbol,
    left_currency as currency,
    right_currency as quoted_in,
    false as is_inverse,
    session_date,
    close as rate,
    listed_at,
    known_at
from pairs
union all
select
    symbol,
    right_currency as currency,
    left_currency as quoted_in,
    true as is_inverse,
    session_date,
    1 / close as rate,
    listed_at,
    known_at
from pairs
