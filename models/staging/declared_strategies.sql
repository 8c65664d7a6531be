-- What the study declares, whoever names it: one row per strategy of the seed, and one for each signal that
-- it does not mention. A fitted one belongs to its plan, and is left out where that plan is not laid.
with
    seeded as (
        select *
        from
            {{
                study_rows(
                    "strategies",
                    ["strategy", "kind", "source", "plan", "family", "direction", "parameters", "caution"],
                )
            }}
    ),
    found as (select unnest({{ plugin_names("signal") }}) as signal)
select strategy, kind, source, plan, family, direction, parameters, caution
from seeded
where plan is null or plan in (select plan from {{ ref("laid_plans") }})
union all
select
    signal as strategy,
    'signal' as kind,
    signal as source,
    null as plan,
    'unsorted' as family,
    'long' as direction,
    null as parameters,
    null as caution
from found
where signal not in (select source from seeded where kind = 'signal')
