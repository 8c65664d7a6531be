-- How often a value at risk was exceeded, over all forecasts judged by then: one row per portfolio, measure
-- and decision_at of the last of them. Kupiec (1995), likelihood ratio of the share found against 5 %, which
-- is chi-squared with one degree of freedom if forecasts are right: beyond 3.84 they are not, at 5 %.
with
    judged as (
        select
            forecasts.portfolio,
            forecasts.decision_at,
            measures.measure,
            - forecasts.next_return > case
                measures.measure
                when 'var_95'
                then forecasts.var_95
                when 'var_95_historical'
                then forecasts.var_95_historical
                else forecasts.var_95_cornish_fisher
            end as is_exceeded,
            forecasts.known_at
        from {{ ref("risk_forecasts") }} as forecasts
        cross join (values ('var_95'), ('var_95_historical'), ('var_95_cornish_fisher')) as measures(measure)
    ),
    counted as (
        select
            portfolio,
            measure,
            decision_at,
            count(*) over so_far as observations,
            count(*) filter (is_exceeded) over so_far as exceedances,
            max(known_at) over so_far as known_at
        from judged
        where is_exceeded is not null
        window
            so_far as (
                partition by portfolio, measure
                order by decision_at
                rows between unbounded preceding and current row
            )
    ),
    tested as (
        select
            *,
            -2 * (
                (observations - exceedances) * ln(0.95)
                + exceedances * ln(0.05)
                - case
                    when exceedances < observations
                    then (observations - exceedances) * ln(1 - exceedances / observations)
                    else 0
                end
                - case when exceedances > 0 then exceedances * ln(exceedances / observations) else 0 end
            ) as likelihood_ratio
        from counted
    )
select
    portfolio,
    measure,
    decision_at,
    observations,
    exceedances,
    (0.05 * observations)::double as expected,
    likelihood_ratio,
    likelihood_ratio > 3.841458820694124 as is_rejected,
    known_at
from tested
