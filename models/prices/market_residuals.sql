-- What is left of an asset's returns after its market: one row per symbol and session_date. The market
-- model is own = alpha + beta × market, by least squares over the bars of a year, or of a quarter. Nine
-- in ten of them must have a market's return beside them.
with
    rolled as (
        select
            symbol,
            bars.session_date,
            bars.is_own,
            classes.bars_per_year,
            classes.bars_per_quarter,
            classes.bars_per_half - classes.bars_per_month as bars_before,
            {% for window in ["year", "quarter"] %}
                count(*) over past_{{ window }} as bars_{{ window }},
                count(own) over past_{{ window }} as pairs_{{ window }},
                {{ exact_covariance("own", "own", "past_" ~ window) }} as square_{{ window }},
                {{ exact_covariance("own", "market", "past_" ~ window) }} as product_{{ window }},
                nullif(
                    {{ exact_covariance("market", "market", "past_" ~ window) }}, 0
                ) as market_square_{{ window }},
            {% endfor %}
            {{ exact_mean("own", "past_year") }} as own_mean,
            {{ exact_mean("market", "past_year") }} as market_mean,
            count(own) over before_month as pairs_before,
            {{ exact_sum("own", "before_month") }} as own_before,
            {{ exact_sum("market", "before_month") }} as market_before,
            bars.known_at
        from {{ sliced(ref("paired_returns")) }} as bars
        inner join {{ ref("assets") }} using (symbol)
        inner join {{ ref("asset_classes") }} as classes using (asset_class)
        window
            {{ rows_back("past_quarter", "bars_per_quarter") }},
            {{ rows_back("past_year", "bars_per_year") }},
            before_month as (
                partition by symbol, vintage
                order by bar_number rows between bars_per_half - 1 preceding and bars_per_month preceding
            )
    ),
    fitted as (
        select
            *,
            bars_year = bars_per_year and pairs_year >= 0.9 * bars_per_year as has_year,
            bars_quarter = bars_per_quarter and pairs_quarter >= 0.9 * bars_per_quarter as has_quarter,
            product_year / market_square_year as beta,
            {% for window in ["year", "quarter"] %}
                nullif(
                    sqrt(
                        greatest(
                            square_{{ window }}
                            - product_{{ window }} * product_{{ window }} / market_square_{{ window }},
                            0
                        )
                        / (pairs_{{ window }} * (pairs_{{ window }} - 2))
                    ),
                    0
                ) as deviation_{{ window }},
            {% endfor %}
        from rolled
    )
select
    symbol,
    session_date,
    case when has_year then beta end as beta,
    case
        when has_year and pairs_before >= 0.9 * bars_before
        then
            (own_before - beta * market_before - pairs_before * (own_mean - beta * market_mean))
            / (deviation_year * sqrt(pairs_before))
    end as residual_before_month,
    case when has_quarter then deviation_quarter end as residual_deviation,
    known_at
from fitted
where is_own
