-- Parameters of strategies, with the grids laid out: one row per strategy and variant, a combination of one
-- value from each of its lists; and one without a variant, for what stands outside of lists. Combinations are
-- numbered, and each list reads its place off the number as a digit.
with
    settings as (
        select
            strategy,
            unnest(json_keys(parameters)) as name,
            json_extract(parameters, '$."' || name || '"') as declared,
            json_type(declared) = 'ARRAY' as is_list,
            case when is_list then declared::json[] else [declared] end as options
        from {{ ref("declared_strategies") }}
    ),
    digits as (
        select *, len(options) as base, coalesce(product(len(options)) over before, 1)::bigint as stride
        from settings
        window
            before as (partition by strategy order by name rows between unbounded preceding and 1 preceding)
    ),
    combinations as (
        select strategy, unnest(range(product(base)::bigint)) as combination
        from digits
        group by strategy
        having bool_or(is_list)
    ),
    chosen as (
        select
            digits.strategy,
            combinations.combination,
            digits.name,
            digits.is_list,
            digits.options[1 + divide(combinations.combination, digits.stride) % digits.base] as value
        from combinations
        inner join digits on digits.strategy = combinations.strategy
        union all
        select strategy, null as combination, name, is_list, declared as value
        from settings
        where not is_list
    )
select
    strategy,
    coalesce(
        string_agg(name || '_' || (value ->> '$'), '__' order by name) filter (where is_list), ''
    ) as variant,
    string_agg(name || '_' || (value ->> '$'), '__' order by name) as label,
    to_json(map(list(name order by name), list(value order by name)))::varchar as parameters
from chosen
group by strategy, combination
