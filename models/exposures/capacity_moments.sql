-- What a portfolio earned but for its impact, and what its trades would have paid for impact had it begun
-- with 1e8 of the base currency: means and covariances, one row per portfolio, decision_at and span. record
-- is all from the first fill on, year the last 261 decisions of it; weights and trades are as they were.
with
    booked as (
        select
            portfolio,
            booked_at as decision_at,
            sum(impact order by symbol, decision_at) as impact,
            sum({{ exact("traded") }}) / 1e12 as traded,
            coalesce(sum({{ exact("traded") }}) filter (impact_rate is not null), 0) / 1e12 as measured,
            sum(coalesce(1e4 * impact_rate * pow(traded, 1.5), 0) order by symbol, decision_at) as unit_impact
        from {{ ref("order_bookings") }}
        group by portfolio, booked_at
    ),
    periods as (
        select
            returns.portfolio,
            returns.decision_at,
            returns.net_return
            + coalesce(booked.impact, 0) / coalesce(lag(returns.nav) over by_decision, 1) as profit,
            coalesce(booked.unit_impact, 0) / coalesce(lag(returns.nav) over by_decision, 1) as impact,
            coalesce(booked.traded, 0) as traded,
            coalesce(booked.measured, 0) as measured,
            returns.known_at
        from {{ ref("portfolio_returns") }} as returns
        left join booked on booked.portfolio = returns.portfolio and booked.decision_at = returns.decision_at
        window by_decision as (partition by returns.portfolio order by returns.decision_at)
    ),
    begun as (
        select *
        from periods
        window
            so_far as (
                partition by portfolio order by decision_at rows between unbounded preceding and current row
            )
        qualify {{ exact_sum("traded", "so_far") }} > 0
    )
{% for span, frame in (("record", "unbounded preceding"), ("year", "260 preceding")) %}
    select
        portfolio,
        decision_at,
        '{{ span }}' as span,
        count(*) over of_{{ span }} as observations,
        {{ exact_mean("profit", "of_" ~ span) }} as profit,
        {{ exact_mean("impact", "of_" ~ span) }} as impact,
        {{ exact_covariance("profit", "profit", "of_" ~ span) }}
        / nullif(count(*) over of_{{ span }} * (count(*) over of_{{ span }} - 1), 0) as profit_variance,
        {{ exact_covariance("impact", "impact", "of_" ~ span) }}
        / nullif(count(*) over of_{{ span }} * (count(*) over of_{{ span }} - 1), 0) as impact_variance,
        {{ exact_covariance("profit", "impact", "of_" ~ span) }}
        / nullif(count(*) over of_{{ span }} * (count(*) over of_{{ span }} - 1), 0) as covariance,
        {{ exact_sum("measured", "of_" ~ span) }}
        / nullif({{ exact_sum("traded", "of_" ~ span) }}, 0) as measured,
        known_at
    from begun
    window
        of_{{ span }} as (
            partition by portfolio order by decision_at rows between {{ frame }} and current row
        )
    {% if not loop.last %}
        union all
    {% endif %}
{% endfor %}
