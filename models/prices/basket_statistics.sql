-- What the baskets beside an asset did over its own bars, against their usual size: one row per symbol
-- and session_date. Nine in ten of the bars counted must have the basket's return beside them.
with
    rolled as (
        select
            symbol,
            bars.session_date,
            bars.is_own,
            classes.bars_per_week,
            classes.bars_per_month,
            classes.bars_per_quarter,
            classes.bars_per_year,
            {% for role in ["market", "risk", "base"] %}
                count(*) over past_quarter = bars_per_quarter
                and count({{ role }}) over past_quarter >= 0.9 * bars_per_quarter as has_{{ role }},
                {{ exact_deviation(role, "past_quarter") }} as {{ role }}_deviation,
            {% endfor %}
            {{ exact_sum("market", "past_week") }} as market_week,
            {{ exact_sum("risk", "past_month") }} as risk_month,
            {{ exact_sum("base", "past_quarter") }} as base_quarter,
            count(*) over past_year = bars_per_year
            and count(risk) over past_year >= 0.9 * bars_per_year as has_risk_year,
            {{ exact_covariance("own_beside_risk", "risk", "past_year") }} as product,
            {{ exact_covariance("own_beside_risk", "own_beside_risk", "past_year") }} as own_square,
            {{ exact_covariance("risk", "risk", "past_year") }} as risk_square,
            bars.known_at
        from {{ sliced(ref("paired_returns")) }} as bars
        inner join {{ ref("assets") }} using (symbol)
        inner join {{ ref("asset_classes") }} as classes using (asset_class)
        window
            {{ rows_back("past_week", "bars_per_week") }},
            {{ rows_back("past_month", "bars_per_month") }},
            {{ rows_back("past_quarter", "bars_per_quarter") }},
            {{ rows_back("past_year", "bars_per_year") }}
    )
select
    symbol,
    session_date,
    case
        when has_market then market_week / nullif(market_deviation * sqrt(bars_per_week), 0)
    end as market_week,
    case when has_risk then risk_month / nullif(risk_deviation * sqrt(bars_per_month), 0) end as risk_month,
    case
        when has_risk_year then {{ correlation_of("product", "own_square", "risk_square") }}
    end as risk_correlation,
    case
        when has_base then base_quarter / nullif(base_deviation * sqrt(bars_per_quarter), 0)
    end as base_quarter,
    known_at
from rolled
where is_own
