{# Sums over these spans of a group, put together from their blocks. #}
{% macro group_spans_summed(spans) %}
    with
        laid as (
            select blocks.*, spans.plan, spans.window_id, spans.span, spans.known_at
            from (select * exclude (blocks), unnest(blocks) as block from {{ spans }}) as spans
            inner join
                {{ ref("laid_plans") }} as plans on plans.clock = spans.clock and plans.plan = spans.plan
            inner join
                {{ ref("group_block_sums") }} as blocks
                on blocks.clock = spans.clock
                and blocks.block_length = plans.block_length
                and blocks.asset_group = spans.asset_group
                and blocks.block = spans.block
            inner join {{ ref("strategies") }} as strategies on strategies.strategy = blocks.strategy
            where
                spans.plan = coalesce(strategies.plan, spans.plan)
                and (spans.span <> 'train' or strategies.kind = 'learner' or not plans.is_compared)
                and (spans.span <> 'train' or blocks.scenario = 'plain')
                and blocks.sample = case
                    when strategies.kind = 'learner' and spans.span = 'train'
                    then {{ in_sample("spans.plan", "spans.window_id") }}
                    else 'traded'
                end
        )
    select *, correlations / 1e12 / nullif(cross_sections, 0) as correlation
    from
        (
            {{
                span_sums(
                    "laid",
                    ["clock", "plan", "strategy", "window_id", "span", "scenario", "asset_group"],
                    {
                        "correlations": "sum(correlations)::hugeint",
                        "cross_sections": "sum(cross_sections)::bigint",
                    },
                )
            }}
        )
{% endmacro %}

{# The view of all spans; or where a run adds to what stands, the same of the new ones alone. #}
{% macro new_group_spans_summed() %}
    {% set summed = group_spans_summed(news(ref("group_spans"))) %}
    {% if since() is none %} {{ ref("group_sums") }}
    {% else %}({{ summed }})
    {% endif %}
{% endmacro %}
