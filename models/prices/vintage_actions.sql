-- What one share has become and has paid by each ex-date, as a vintage sees it: one row per symbol, vintage
-- and ex_date. shares: of today for one of before the first action; cash: dividends on these, in the
-- asset's currency, none of it put back. Counted forward, so that no session needs a later action. A
-- dividend is paid on the shares of before a split of the same day.
with
    seen as (
        select
            vintages.symbol,
            vintages.vintage,
            actions.ex_date,
            case when actions.kind = 'split' then actions.value else 1.0 end as split,
            case when actions.kind = 'dividend' then actions.value else 0.0 end as dividend,
            greatest(actions.known_at, vintages.known_at) as known_at
        from {{ ref("vintages") }} as vintages
        inner join
            {{ ref("actions") }} as actions
            on actions.symbol = vintages.symbol
            and actions.known_at < coalesce(vintages.until_at, '9999-01-01'::timestamp)
            and coalesce(actions.superseded_at, '9999-01-01'::timestamp)
            >= coalesce(vintages.until_at, '9999-01-01'::timestamp)
    ),
    split as (
        select
            *,
            list_aggregate(list(split) over by_now, 'product') as shares,
            dividend * coalesce(list_aggregate(list(split) over before_now, 'product'), 1.0) as paid
        from seen
        window
            by_now as (
                partition by symbol, vintage
                order by ex_date
                range between unbounded preceding and current row
            ),
            before_now as (
                partition by symbol, vintage
                order by ex_date
                range between unbounded preceding and current row exclude group
            )
    )
select distinct
    symbol,
    vintage,
    ex_date,
    shares,
    list_aggregate(list(paid) over by_now, 'sum') as cash,
    max(known_at) over by_now as known_at
from split
window
    by_now as (
        partition by symbol, vintage order by ex_date range between unbounded preceding and current row
    )
