-- What the policies in force name, to be traded: one row per kind and name. The name all stands for each
-- there is, and a row of the kind variant for all variants of what is named.
with
    wanted as (select policy_json::json as policy from {{ ref("portfolios") }}),
    said as (
        select 'signal' as kind, policy -> 'signals' as names
        from wanted
        union all
        select 'learner' as kind, policy -> 'learners' as names
        from wanted
    )
select distinct
    kind, unnest(case when json_type(names) = 'ARRAY' then names::varchar[] else [names ->> '$'] end) as name
from said
where names is not null
union all
select distinct 'variant' as kind, 'all' as name
from wanted
where (policy ->> 'variants')::boolean
