-- The bars that a vintage can see just before its end, warm-up included: one row per symbol, vintage and
-- session_date. is_own marks the bars that became known inside it: only their derived rows are published. A
-- warm-up row is known in its vintage when the first own bar is; printed_at is when its bar first was.
{% set warm_up = 400 %}
with
    visible as (
        select
            bars.symbol,
            vintages.vintage,
            bars.session_date,
            bars.opened_at,
            bars.closed_at,
            coalesce(bars.open, bars.close) as fill_price,
            case when bars.open is null then bars.closed_at else bars.opened_at end as fill_at,
            bars.open,
            coalesce(bars.high, bars.close) as high,
            coalesce(bars.low, bars.close) as low,
            bars.high is not null and bars.low is not null as has_range,
            bars.close,
            bars.volume,
            prints.is_late,
            prints.known_at >= vintages.from_at as is_own,
            slices.bars_before + row_number() over (
                partition by bars.symbol, vintages.vintage order by bars.session_date
            ) as bar_number,
            bars.known_at as version_known_at,
            prints.known_at as printed_at
        from {{ ref("vintages") }} as vintages
        inner join {{ ref("bar_slices") }} as slices on slices.symbol = vintages.symbol
        inner join
            {{ sliced(ref("bars")) }} as bars
            on bars.symbol = vintages.symbol
            and bars.known_at < coalesce(vintages.until_at, '9999-01-01'::timestamp)
            and coalesce(bars.superseded_at, '9999-01-01'::timestamp)
            >= coalesce(vintages.until_at, '9999-01-01'::timestamp)
        inner join
            {{ ref("first_prints") }} as prints
            on prints.symbol = bars.symbol
            and prints.session_date = bars.session_date
        where {{ new("coalesce(vintages.until_at, '9999-01-01'::timestamp)") }}
    ),
    first_own as (
        select symbol, vintage, min(bar_number) as bar_number, min(printed_at) as printed_at
        from
            (
                select symbol, vintage, bar_number, printed_at
                from visible
                where is_own {{ and_kept("symbol, vintage, bar_number, printed_at", "is_own") }}
            )
        group by symbol, vintage
    )
select visible.*, greatest(visible.printed_at, first_own.printed_at) as known_at
from visible
inner join first_own on first_own.symbol = visible.symbol and first_own.vintage = visible.vintage
where visible.bar_number >= first_own.bar_number - {{ warm_up }}
