-- What one share has become and has paid by each ex-date, as a vintage sees it: one row per symbol, vintage
-- and ex_date. shares: of today for one of before the first action; cash: dividends on these, in the asset's
-- currency, none of it put back. Counted forward from the first action, so that no row needs a later one.
with
    seen as (
        select
            vintages.symbol,
            vintages.vintage,
            actions.ex_date,
            coalesce(max(actions.value) filter (where actions.kind = 'split'), 1) as split,
            coalesce(max(actions.value) filter (where actions.kind = 'dividend'), 0) as dividend,
            max(greatest(actions.known_at, vintages.known_at)) as known_at
        from {{ ref("vintages") }} as vintages
        inner join
            {{ ref("actions") }} as actions
            on actions.symbol = vintages.symbol
            and actions.known_at < coalesce(vintages.until_at, '9999-01-01'::timestamp)
            and coalesce(actions.superseded_at, '9999-01-01'::timestamp)
            >= coalesce(vintages.until_at, '9999-01-01'::timestamp)
        group by vintages.symbol, vintages.vintage, actions.ex_date
    ),
    split as (
        select
            seen.symbol,
            seen.vintage,
            seen.ex_date,
            seen.split,
            seen.dividend,
            list_aggregate(list(earlier.split order by earlier.ex_date), 'product') as shares,
            max(earlier.known_at) as known_at
        from seen
        inner join
            seen as earlier
            on earlier.symbol = seen.symbol
            and earlier.vintage = seen.vintage
            and earlier.ex_date <= seen.ex_date
        group by seen.symbol, seen.vintage, seen.ex_date, seen.split, seen.dividend
    )
select
    split.symbol,
    split.vintage,
    split.ex_date,
    split.shares,
    list_aggregate(
        list(earlier.dividend * earlier.shares / earlier.split order by earlier.ex_date), 'sum'
    ) as cash,
    split.known_at
from split
inner join
    split as earlier
    on earlier.symbol = split.symbol
    and earlier.vintage = split.vintage
    and earlier.ex_date <= split.ex_date
group by split.symbol, split.vintage, split.ex_date, split.shares, split.known_at
