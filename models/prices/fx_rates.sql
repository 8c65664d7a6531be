-- Units of the base currency for one unit of another, as first printed: one row per currency and
-- session_date. A pair with the base currency goes before its inverse, and both before a cross through a
-- third currency, by the names of the pairs; a better source takes over once it is known and listed.
with
    base as (select distinct base_currency from {{ ref("clocks") }}),
    straight as (
        select legs.* from {{ ref("fx_legs") }} as legs inner join base on base.base_currency = legs.quoted_in
    ),
    halves as (
        select legs.*, straight.symbol as second_symbol
        from {{ ref("fx_legs") }} as legs
        inner join
            (select distinct symbol, currency from straight) as straight on straight.currency = legs.quoted_in
        inner join base on base.base_currency <> legs.currency
    ),
    told as (
        select
            straight.currency,
            case when straight.is_inverse then '2' else '1' end as source,
            straight.session_date,
            straight.rate,
            straight.listed_at,
            straight.known_at
        from straight
        union all
        select
            halves.currency,
            '3' || second.symbol || ' ' || halves.symbol as source,
            halves.session_date,
            halves.rate * second.rate as rate,
            greatest(halves.listed_at, second.listed_at) as listed_at,
            halves.known_at
        from halves
        asof join
            straight as second
            on second.symbol = halves.second_symbol
            and second.currency = halves.quoted_in
            and halves.known_at >= second.known_at
    ),
    sources as (
        select currency, source, listed_at, known_at
        from told
        qualify row_number() over (partition by currency, source order by known_at, session_date) = 1
    )
select told.currency, told.session_date, told.rate, told.known_at
from told
left join
    sources as better
    on better.currency = told.currency
    and better.known_at <= told.known_at
    and case when better.listed_at <= told.known_at then '0' else '1' end || better.source
    < case when told.listed_at <= told.known_at then '0' else '1' end || told.source
where better.source is null
