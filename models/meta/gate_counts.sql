-- How many were let in and how many not, and how that changed: one row per portfolio and decision_at.
with
    changes as (
        select
            portfolio,
            decision_at,
            count(*) filter (is_adopted) as let_in,
            count(*) filter (change = 'dropped') as dropped,
            count(*) filter (change = 'reason') as other_reasons
        from {{ ref("gate_changes") }}
        group by portfolio, decision_at
    ),
    counts as (
        select
            portfolio,
            decision_at,
            count(*) as judged,
            count(*) filter (is_adopted) as adopted,
            count(distinct symbol) filter (is_adopted) as assets,
            count(distinct strategy) filter (is_adopted) as strategies,
            decision_at as known_at
        from {{ ref("strategy_gates") }}
        group by portfolio, decision_at
    )
select
    counts.portfolio,
    counts.decision_at,
    counts.judged,
    counts.adopted,
    counts.assets,
    counts.strategies,
    coalesce(changes.let_in, 0) as let_in,
    coalesce(changes.dropped, 0) as dropped,
    coalesce(changes.other_reasons, 0) as other_reasons,
    counts.known_at
from counts
left join changes on changes.portfolio = counts.portfolio and changes.decision_at = counts.decision_at
