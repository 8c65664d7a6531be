-- Splits and dividends that a symbol's feed has not put into its prices itself, with the instant at which the
-- next version took their place: one row per symbol, ex_date, kind and version. One vendor is heard on a
-- symbol: the one of its first action. A feed that adjusts for splits restates its dividends with its prices,
-- which is no news of what was paid.
with
    heard as (
        select symbol, vendor, known_at
        from {{ ref("stg_actions") }}
        qualify row_number() over (partition by symbol order by known_at, batch_id, vendor) = 1
    )
select
    actions.symbol,
    actions.ex_date,
    actions.kind,
    actions.version,
    actions.value,
    assets.adjustment = 'none' or actions.version = 1 as is_news,
    changed.known_at as superseded_at,
    greatest(actions.known_at, heard.known_at) as known_at
from {{ ref("stg_actions") }} as actions
inner join heard on heard.symbol = actions.symbol and heard.vendor = actions.vendor
inner join {{ ref("assets") }} as assets on assets.symbol = actions.symbol
left join
    {{ ref("stg_actions") }} as changed
    on changed.symbol = actions.symbol
    and changed.ex_date = actions.ex_date
    and changed.kind = actions.kind
    and changed.vendor = actions.vendor
    and changed.version = actions.version + 1
where assets.adjustment = 'none' or (assets.adjustment = 'splits' and actions.kind = 'dividend')
