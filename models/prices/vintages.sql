-- Spans of time in which nothing already known changed: one row per symbol and vintage.
-- A restatement or a late bar ends a vintage. until_at is null for the one still open. The first begins with
-- time, and is known when the symbol's first bar is.
with
    starts as (
        select symbol, '1900-01-01'::timestamp as from_at, known_at
        from {{ ref("first_prints") }}
        qualify row_number() over (partition by symbol order by known_at, session_date) = 1
        union
        select symbol, known_at as from_at, known_at
        from {{ ref("first_prints") }}
        where is_cut
        union
        select symbol, known_at as from_at, known_at
        from {{ ref("bars") }}
        where version > 1
    ),
    numbered as (
        select symbol, row_number() over (partition by symbol order by from_at) as vintage, from_at, known_at
        from starts
    )
select numbered.symbol, numbered.vintage, numbered.from_at, ended.from_at as until_at, numbered.known_at
from numbered
left join numbered as ended on ended.symbol = numbered.symbol and ended.vintage = numbered.vintage + 1
