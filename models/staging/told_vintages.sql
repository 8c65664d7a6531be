-- Spans of time in which a feed changed nothing that it had told: one row per symbol and vintage. As
-- vintages, but of all that was told, since these are what bars are judged in. until_at is null for the
-- one still open.
with
    prints as (
        select
            symbol,
            session_date,
            coalesce(max(session_date) over before_now > session_date, false) as is_cut,
            known_at
        from {{ sliced(ref("told_bars"), "told_slices") }}
        where version = 1
        window
            before_now as (
                partition by symbol
                order by known_at
                range between unbounded preceding and current row exclude group
            )
    ),
    starts as (
        select symbol, '1900-01-01'::timestamp as from_at, known_at
        from prints
        where {{ anew() }}
        qualify row_number() over (partition by symbol order by known_at, session_date) = 1
        union
        select symbol, known_at as from_at, known_at
        from prints
        where is_cut and {{ new("known_at") }}
        union
        select symbol, known_at as from_at, known_at
        from {{ news(ref("told_bars")) }}
        where version > 1 {{ and_kept("symbol, from_at, known_at") }}
    ),
    numbered as (
        select symbol, row_number() over (partition by symbol order by from_at) as vintage, from_at, known_at
        from starts
    )
select numbered.symbol, numbered.vintage, numbered.from_at, ended.from_at as until_at, numbered.known_at
from numbered
left join numbered as ended on ended.symbol = numbered.symbol and ended.vintage = numbered.vintage + 1
