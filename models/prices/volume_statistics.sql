-- What was traded, in money, so that a split is no change: one row per symbol and session_date; null
-- where a bar of the span has no volume, or all have zero. An adjusted feed's money is that of no day,
-- so it is compared within one vintage alone.
with
    traded as (
        select
            bars.*,
            adjustment = 'none' as is_paid,
            bars.close_base * bars.volume / 1e6 as money,
            abs(bars.log_total_return) / nullif(bars.close_base * bars.volume / 1e9, 0) as impact,
            sign(bars.log_total_return) * bars.close_base * bars.volume / 1e6 as signed_money,
            ln(
                nullif(bars.close_base * bars.volume, 0) / nullif(
                    lag(bars.close_base * bars.volume) over (
                        partition by symbol, bars.vintage order by bars.bar_number
                    ),
                    0
                )
            ) as growth,
            classes.bars_per_week,
            classes.bars_per_month,
            classes.bars_per_quarter,
            classes.bars_per_year
        from {{ sliced(ref("vintage_returns")) }} as bars
        inner join {{ ref("assets") }} using (symbol)
        inner join {{ ref("asset_classes") }} as classes using (asset_class)
    ),
    paired as (select *, case when growth is not null then log_total_return end as return_beside from traded),
    rolled as (
        select
            *,
            count(money) over past_quarter >= bars_per_quarter as has_quarter,
            count(money) over past_year >= bars_per_year as has_year,
            median(money) over past_quarter as median_money,
            nullif({{ exact_mean("money", "past_week") }}, 0) as money_week,
            nullif({{ exact_mean("money", "past_quarter") }}, 0) as money_quarter,
            {{ exact_mean("signed_money", "past_quarter") }} as signed_money_quarter,
            nullif({{ exact_mean("impact", "past_quarter") }}, 0) as impact_quarter,
            nullif({{ exact_mean("impact", "past_year") }}, 0) as impact_year,
            {{ exact_covariance("return_beside", "growth", "past_month") }} as product,
            {{ exact_covariance("return_beside", "return_beside", "past_month") }} as return_square,
            {{ exact_covariance("growth", "growth", "past_month") }} as growth_square
        from paired
        window
            {{ rows_back("past_week", "bars_per_week") }},
            {{ rows_back("past_month", "bars_per_month") }},
            {{ rows_back("past_quarter", "bars_per_quarter") }},
            {{ rows_back("past_year", "bars_per_year") }}
    )
select
    symbol,
    session_date,
    case when has_quarter and is_paid then money_quarter end as money_quarter,
    case when has_quarter then nullif(median_money, 0) end as median_money,
    case when has_quarter then ln(money_week / money_quarter) end as surge_week,
    case when has_quarter then signed_money_quarter / money_quarter end as balance_quarter,
    case when has_year then ln(impact_quarter / impact_year) end as impact_growth,
    case
        when has_quarter then {{ correlation_of("product", "return_square", "growth_square") }}
    end as return_correlation,
    known_at
from rolled
where is_own
