{# Sums over these spans of an asset, put together from their blocks. #}
{% macro asset_spans_summed(spans) %}
    with
        spans as (
            select
                spans.clock,
                spans.plan,
                spans.window_id,
                spans.span,
                spans.symbol,
                spans.known_at,
                plans.block_length,
                plans.is_compared,
                unnest(
                    range(
                        divide(spans.from_number - 1, plans.block_length),
                        divide(spans.until_number - 2, plans.block_length) + 1
                    )
                ) as block
            from {{ spans }} as spans
            inner join
                {{ ref("laid_plans") }} as plans on plans.clock = spans.clock and plans.plan = spans.plan
        ),
        laid as (
            select blocks.*, spans.plan, spans.window_id, spans.span, spans.known_at
            from spans
            inner join
                {{ ref("block_sums") }} as blocks
                on blocks.clock = spans.clock
                and blocks.block_length = spans.block_length
                and blocks.symbol = spans.symbol
                and blocks.block = spans.block
            inner join {{ ref("strategies") }} as strategies on strategies.strategy = blocks.strategy
            where
                spans.plan = coalesce(strategies.plan, spans.plan)
                and (spans.span <> 'train' or strategies.kind = 'learner' or not spans.is_compared)
                and blocks.sample = case
                    when strategies.kind = 'learner' and spans.span = 'train'
                    then {{ in_sample("spans.plan", "spans.window_id") }}
                    else 'traded'
                end
        )
    select *, {{ correlation("returns") }} as correlation
    from
        (
            {{
                span_sums(
                    "laid",
                    ["clock", "plan", "strategy", "window_id", "span", "symbol"],
                    correlations_added(),
                )
            }}
        )
{% endmacro %}

{# The view of all spans; or where a run adds to what stands, the same of the new ones alone. #}
{% macro new_asset_spans_summed() %}
    {% set summed = asset_spans_summed(news(ref("settled_spans"))) %}
    {% if since() is none %} {{ ref("span_sums") }}
    {% else %}({{ summed }})
    {% endif %}
{% endmacro %}
