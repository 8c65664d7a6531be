-- Spans of time in which nothing already known changed: one row per symbol and vintage. A restatement, a late
-- bar, or an action that is told when a bar from its ex-date on is known, ends one. until_at is null for the
-- one still open. The first begins with time, and is known when the symbol's first bar is.
with
    starts as (
        select symbol, '1900-01-01'::timestamp as from_at, known_at
        from {{ ref("first_prints") }}
        where {{ anew() }}
        qualify row_number() over (partition by symbol order by known_at, session_date) = 1
        union
        select symbol, known_at as from_at, known_at
        from {{ news(ref("first_prints")) }}
        where is_cut
        union
        select symbol, known_at as from_at, known_at
        from {{ news(ref("bars")) }}
        where version > 1
        union
        select actions.symbol, actions.known_at as from_at, actions.known_at
        from {{ news(ref("actions")) }} as actions
        inner join
            {{ ref("first_prints") }} as prints
            on prints.symbol = actions.symbol
            and prints.session_date >= actions.ex_date
            and prints.known_at < actions.known_at
            {{ and_kept("symbol, from_at, known_at") }}
    ),
    numbered as (
        select symbol, row_number() over (partition by symbol order by from_at) as vintage, from_at, known_at
        from starts
    )
select numbered.symbol, numbered.vintage, numbered.from_at, ended.from_at as until_at, numbered.known_at
from numbered
left join numbered as ended on ended.symbol = numbered.symbol and ended.vintage = numbered.vintage + 1
