-- What the policies in force name, to be traded: one row per kind and name. The name all stands for each
-- there is; a row of the kind variant says that all variants of what is named are, and one of the kind both
-- that it is traded with shorts, too.
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
union all
select distinct 'both' as kind, 'all' as name
from wanted
where (policy ->> 'allow_shorts')::boolean
