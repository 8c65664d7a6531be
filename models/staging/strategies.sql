-- What is tested, fixed before looking: one row per strategy. A fitted one belongs to the plan it is fitted
-- under, and is left out where no portfolio uses that plan.
select strategy, kind, source, plan, family, direction
from {{ study_rows("strategies", ["strategy", "kind", "source", "plan", "family", "direction"]) }}
where
    plan is null
    or plan in (
        select plan
        from {{ ref("portfolios") }}
    )
