-- What a bar is judged by: the levels, the size of moves and the volume of the bars before it, as its vintage
-- sees them. One row per symbol, vintage and session_date. Medians, so that one bad tick among them moves
-- nothing, and a suspect bar need not be taken out of them.
{% set warm_up = 61 %}
with
    visible as (
        select
            bars.symbol,
            vintages.vintage,
            bars.session_date,
            bars.version,
            coalesce(bars.high, bars.close) as high,
            coalesce(bars.low, bars.close) as low,
            bars.close,
            bars.volume,
            bars.known_at >= vintages.from_at as is_own,
            row_number() over (
                partition by bars.symbol, vintages.vintage order by bars.session_date
            ) as bar_number,
            greatest(bars.known_at, vintages.known_at) as known_at
        from {{ ref("told_vintages") }} as vintages
        inner join
            {{ sliced(ref("told_bars"), "told_slices") }} as bars
            on bars.symbol = vintages.symbol
            and bars.known_at < coalesce(vintages.until_at, '9999-01-01'::timestamp)
            and coalesce(bars.superseded_at, '9999-01-01'::timestamp)
            >= coalesce(vintages.until_at, '9999-01-01'::timestamp)
        where {{ new("coalesce(vintages.until_at, '9999-01-01'::timestamp)") }}
    ),
    first_own as (
        select symbol, vintage, min(bar_number) as bar_number
        from (select symbol, vintage, bar_number from visible where is_own {{ and_own_before_slice() }})
        group by symbol, vintage
    ),
    moved as (
        select
            visible.*,
            lag(visible.close) over by_bar as close_before,
            lag(visible.session_date) over by_bar as session_before,
            first_own.bar_number as first_own_number,
            abs(ln(visible.close / lag(visible.close) over by_bar)) as move,
            case
                when visible.close is distinct from lag(visible.close) over by_bar or visible.volume > 0
                then visible.bar_number
            end as changed_number
        from visible
        inner join first_own on first_own.symbol = visible.symbol and first_own.vintage = visible.vintage
        where visible.bar_number >= first_own.bar_number - {{ warm_up }}
        window by_bar as (partition by visible.symbol, visible.vintage order by visible.bar_number)
    )
select
    symbol,
    vintage,
    session_date,
    version,
    is_own,
    high,
    low,
    close,
    volume,
    close_before,
    session_before,
    median(close) over before_week as level_week,
    median(close) over before_quarter as level_quarter,
    case when count(move) over before_quarter >= 20 then median(move) over before_quarter end as usual_move,
    median(volume) over before_quarter as usual_volume,
    median(volume * close) over before_quarter as usual_value,
    bar_number - max(changed_number) over so_far as unchanged_bars,
    known_at
from moved
window
    before_week as (
        partition by symbol, vintage order by bar_number rows between 5 preceding and 1 preceding
    ),
    before_quarter as (
        partition by symbol, vintage order by bar_number rows between 60 preceding and 1 preceding
    ),
    so_far as (partition by symbol, vintage order by bar_number rows unbounded preceding)
qualify bar_number >= first_own_number
