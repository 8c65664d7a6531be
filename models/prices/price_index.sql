-- Chained total returns in the base currency, each as it was first known, so that levels of two vintages are
-- never compared: one row per symbol and session_date that did not come late. Only ratios mean something.
-- A bar that is late only because a later one came with it is a link: the later one's return begins at it.
-- An action told late changes no level; late_actions says what it is worth to who held the asset through it.
with
    links as (
        select
            bars.symbol,
            bars.session_date,
            bars.is_late,
            bars.close_base,
            {{ exact("coalesce(bars.log_total_return, 0)") }} as log_growth,
            0 as prints_before,
            bars.known_at
        from {{ news(ref("vintage_prices")) }} as bars
        inner join
            {{ ref("first_prints") }} as prints
            on prints.symbol = bars.symbol
            and prints.session_date = bars.session_date
        where
            bars.is_own and not prints.is_cut
            {{
                and_kept(
                    "symbol, session_date, false as is_late, close_base,"
                    " round(ln(index_level) * 1e12)::bigint as log_growth, print_number - 1 as prints_before,"
                    " known_at",
                    last_of="symbol",
                )
            }}
    ),
    chained as (
        select
            symbol,
            session_date,
            is_late,
            close_base,
            exp(sum(log_growth) over so_far / 1e12) as index_level,
            prints_before,
            known_at
        from links
        window
            so_far as (
                partition by symbol order by session_date rows between unbounded preceding and current row
            )
    )
select
    symbol,
    session_date,
    close_base,
    index_level,
    row_number() over (partition by symbol order by session_date)
    {% if since() is not none %} + max(prints_before) over (partition by symbol) {% endif %} as print_number,
    known_at
from chained
where not is_late
