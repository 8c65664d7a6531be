-- What the stops that look at the portfolio itself should measure, computed again from its logged values: one
-- row per portfolio and decision_at. The mark is the highest value since the start, or since a drawdown was
-- released; failed is the share of the decisions before, of as many as the policy says and since a release,
-- that were made by the fallback.
with
    released as (
        select
            portfolio,
            decision_at,
            bool_or(condition = 'drawdown') as is_rebased,
            bool_or(condition = 'solver_failures') as is_recounted
        from {{ ref("stop_conditions") }}
        where reset_by is not null
        group by portfolio, decision_at
    ),
    made as (
        select
            logs.portfolio,
            logs.decision_at,
            logs.known_at,
            logs.nav,
            logs.net_return,
            (policies.stops_json::json -> 'solver_failures' ->> 'decisions')::bigint as counted,
            logs.nav > 0 and isfinite(logs.nav) as is_sound,
            row_number() over so_far as made_number,
            coalesce(count(*) filter (logs.status = 'fallback') over before, 0) as fallbacks_before,
            max(logs.decision_at) filter (
                released.is_rebased and logs.nav > 0 and isfinite(logs.nav)
            ) over so_far as rebased_at,
            max(logs.decision_at) filter (released.is_recounted) over so_far as recounted_at
        from {{ ref("allocation_log") }} as logs
        inner join
            {{ ref("decision_policies") }} as policies
            on policies.portfolio = logs.portfolio
            and policies.decision_at = logs.decision_at
        left join released on released.portfolio = logs.portfolio and released.decision_at = logs.decision_at
        window
            so_far as (
                partition by logs.portfolio
                order by logs.decision_at
                rows between unbounded preceding and current row
            ),
            before as (
                partition by logs.portfolio
                order by logs.decision_at
                rows between unbounded preceding and 1 preceding
            )
    ),
    marked as (
        select
            *,
            greatest(
                max(nav) filter (is_sound) over since_rebased, case when rebased_at is null then 1 end
            ) as high_water_mark
        from made
        window
            since_rebased as (
                partition by portfolio, rebased_at
                order by decision_at
                rows between unbounded preceding and current row
            )
    )
select
    marked.portfolio,
    marked.decision_at,
    marked.made_number,
    marked.net_return,
    marked.high_water_mark,
    marked.nav / marked.high_water_mark - 1 as drawdown,
    (marked.fallbacks_before - coalesce(since.fallbacks_before, 0)) / marked.counted as failed,
    marked.known_at
from marked
left join
    made as recounted
    on recounted.portfolio = marked.portfolio
    and recounted.decision_at = marked.recounted_at
    and recounted.known_at <= marked.known_at
left join
    made as since
    on since.portfolio = marked.portfolio
    and since.made_number = greatest(marked.made_number - marked.counted, coalesce(recounted.made_number, 1))
    and since.known_at <= marked.known_at
