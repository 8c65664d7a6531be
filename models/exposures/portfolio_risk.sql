-- The risk of what each decision holds, as known at it: one row per portfolio, decision_at and measure.
-- Gaussian figures are the allocator's, from its covariance; the others replay the weights over the last
-- 252 decisions. Losses are positive shares of value. Historical: the smallest loss l with F(l) >= 95 %,
-- and the mean beyond it with that atom split (Rockafellar and Uryasev 2000). Cornish-Fisher (Maillard
-- 2012): the Gaussian figures with skewness and kurtosis of the replays, where the expansion rises with its
-- quantile. What is short counts by its size in effective_assets and coverage, and by the opposite of its
-- returns in mean_correlation.
{% set z = -1.6448536269514722 %}
{% set density = 0.10313564037537141 %}  {# of the normal at z #}
{% set skewed, peaked, squared = z * z - 1, z * z * z - 3 * z, 2 * z * z * z - 5 * z %}
with
    replays as ({{ replayed_returns(252) }}),
    summed as (
        select
            portfolio,
            decision_at,
            count(*) as replays,
            list(replayed_return order by replayed_at) as returns,
            sum({{ exact("replayed_return", 2500) }})::double as total,
            (
                count(*)
                * sum({{ exact("replayed_return", 2500) }}::hugeint * {{ exact("replayed_return", 2500) }})
                - sum({{ exact("replayed_return", 2500) }})::hugeint
                * sum({{ exact("replayed_return", 2500) }})::hugeint
            )::double
            / 1e24 as spread,
            sum({{ exact("covered") }}) / 1e12 as covered
        from replays
        group by portfolio, decision_at
    ),
    ordered as (
        select
            *,
            ceil(95 * replays / 100)::bigint as place,
            list_sort(list_transform(returns, r -> - r)) as losses,
            list_transform(
                returns, r -> (r * replays - total / 1e12) / nullif(sqrt(greatest(spread, 0)), 0)
            ) as scores
        from summed
        where replays >= 126
    ),
    replayed as (
        select
            portfolio,
            decision_at,
            sqrt(greatest(spread, 0) / (replays * (replays - 1))) as deviation,
            losses[place] as var_95,
            losses[place]
            + list_sum(list_transform(losses, l -> {{ exact("greatest(l - losses[place], 0)") }}))
            / (0.05 * replays)
            / 1e12 as es_95,
            list_sum(list_transform(scores, s -> {{ exact("s * s * s") }})) / 1e12 / replays as skewness,
            list_sum(list_transform(scores, s -> {{ exact("s * s * s * s") }})) / 1e12 / replays as kurtosis
        from ordered
    ),
    weighed as (
        select
            held.portfolio,
            held.decision_at,
            sum({{ exact("abs(held.weight)") }}) / 1e12 as invested,
            sum({{ exact("held.weight", 2500) }}::hugeint * {{ exact("held.weight", 2500) }})::double
            / 1e24 as squares,
            sum({{ exact("abs(held.weight) * statistics.volatility") }}) / 1e12 as volatilities,
            sum(
                {{ exact("held.weight * statistics.volatility", 2500) }}::hugeint
                * {{ exact("held.weight * statistics.volatility", 2500) }}
            )::double
            / 1e24 as variances
        from {{ ref("target_exposures") }} as held
        inner join
            {{ ref("decisions") }} as decisions
            on decisions.portfolio = held.portfolio
            and decisions.decision_at = held.decision_at
        left join
            {{ ref("decision_statistics") }} as statistics
            on statistics.clock = decisions.clock
            and statistics.symbol = held.symbol
            and statistics.decision_at = held.decision_at
        where held.symbol <> 'CASH' and held.weight <> 0
        group by held.portfolio, held.decision_at
    ),
    measured as (
        select
            logs.portfolio,
            logs.decision_at,
            logs.volatility,
            logs.var_95,
            logs.es_95,
            logs.volatility / sqrt(clocks.decisions_per_year) as deviation,
            replayed.deviation * sqrt(clocks.decisions_per_year) as replayed_volatility,
            replayed.deviation as replayed_deviation,
            replayed.var_95 as replayed_var_95,
            replayed.es_95 as replayed_es_95,
            replayed.skewness,
            replayed.kurtosis,
            weighed.invested,
            weighed.invested * weighed.invested / nullif(weighed.squares, 0) as effective_assets,
            weighed.volatilities,
            weighed.variances,
            summed.covered / nullif(252 * weighed.invested, 0) as coverage,
            (replayed.kurtosis - 3) / 8 - replayed.skewness * replayed.skewness / 6 as steepness,
            1 - (replayed.kurtosis - 3) / 8 + 5 * replayed.skewness * replayed.skewness / 36 as slope,
            logs.known_at
        from {{ ref("allocation_log") }} as logs
        inner join {{ ref("portfolios") }} as portfolios on portfolios.portfolio = logs.portfolio
        inner join {{ ref("clocks") }} as clocks on clocks.clock = portfolios.clock
        left join weighed on weighed.portfolio = logs.portfolio and weighed.decision_at = logs.decision_at
        left join summed on summed.portfolio = logs.portfolio and summed.decision_at = logs.decision_at
        left join replayed on replayed.portfolio = logs.portfolio and replayed.decision_at = logs.decision_at
    ),
    expanded as (
        select
            *,
            case
                when steepness >= 0 and slope >= 0 and skewness * skewness / 9 <= 4 * steepness * slope
                then deviation
            end as expandable
        from measured
    ),
    listed as (
        select
            expanded.portfolio,
            expanded.decision_at,
            measures.measure,
            expanded.invested,
            expanded.replayed_deviation,
            case
                measures.measure
                when 'volatility'
                then volatility
                when 'var_95'
                then var_95
                when 'es_95'
                then es_95
                when 'volatility_replayed'
                then replayed_volatility
                when 'var_95_historical'
                then replayed_var_95
                when 'es_95_historical'
                then replayed_es_95
                when 'skewness'
                then skewness
                when 'kurtosis'
                then kurtosis
                when 'var_95_cornish_fisher'
                then
                    - expandable
                    * (
                        {{ z }}
                        + {{ skewed }} * skewness / 6
                        + {{ peaked }} * (kurtosis - 3) / 24
                        - {{ squared }} * skewness * skewness / 36
                    )
                when 'es_95_cornish_fisher'
                then
                    expandable
                    * {{ density / 0.05 }}
                    * (
                        1
                        + {{ z }} * skewness / 6
                        + {{ skewed }} * (kurtosis - 3) / 24
                        - {{ 2 * z * z - 1 }} * skewness * skewness / 36
                    )
                when 'effective_assets'
                then effective_assets
                when 'mean_correlation'
                then
                    case
                        when coverage >= 1 - 1e-9 then replayed_deviation * replayed_deviation - variances
                    end
                    / nullif(volatilities * volatilities - variances, 0)
                else coverage
            end as value,
            expanded.known_at
        from expanded
        cross join
            (
                values
                    ('volatility'),
                    ('var_95'),
                    ('es_95'),
                    ('volatility_replayed'),
                    ('var_95_historical'),
                    ('es_95_historical'),
                    ('skewness'),
                    ('kurtosis'),
                    ('var_95_cornish_fisher'),
                    ('es_95_cornish_fisher'),
                    ('effective_assets'),
                    ('mean_correlation'),
                    ('coverage')
            ) as measures(measure)
    )
select
    portfolio,
    decision_at,
    measure,
    value,
    case
        when value is not null
        then null
        when invested is null
        then 'nothing is held'
        when replayed_deviation is null
        then 'fewer than 126 decisions can be replayed'
        when measure = 'mean_correlation'
        then 'one asset alone, or an asset without a return at each of 252 decisions'
        when measure in ('skewness', 'kurtosis')
        then 'the replays do not deviate'
        else 'skewness and kurtosis are outside the domain of the expansion'
    end as undefined,
    known_at
from listed
