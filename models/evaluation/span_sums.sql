-- Sums over each span, put together from its blocks: one row per clock, plan, strategy, window_id, span and
-- symbol. The worst fall of a span is the worst inside a block, or from an earlier block's peak to a later
-- one's trough.
with
    lengths as (
        select plan, gcd(gcd(train, test), step) as block_length from {{ ref("walk_forward_plans") }}
    ),
    spans as (
        select
            spans.clock,
            spans.plan,
            spans.window_id,
            spans.span,
            spans.symbol,
            spans.known_at,
            unnest(
                range(
                    divide(spans.from_number - 1, lengths.block_length),
                    divide(spans.until_number - 2, lengths.block_length) + 1
                )
            ) as block
        from {{ ref("settled_spans") }} as spans
        inner join lengths on lengths.plan = spans.plan
    ),
    laid as (
        select
            blocks.*,
            spans.window_id,
            spans.span,
            spans.known_at,
            coalesce(
                sum(blocks.log_wealth) over (
                    partition by
                        spans.clock, spans.plan, blocks.strategy, spans.window_id, spans.span, spans.symbol
                    order by blocks.block
                    rows between unbounded preceding and 1 preceding
                ),
                0
            ) as log_before
        from spans
        inner join
            {{ ref("block_sums") }} as blocks
            on blocks.clock = spans.clock
            and blocks.plan = spans.plan
            and blocks.symbol = spans.symbol
            and blocks.block = spans.block
        inner join {{ ref("strategies") }} as strategies on strategies.strategy = blocks.strategy
        where
            blocks.sample = case
                when strategies.kind = 'learner' and spans.span = 'train'
                then spans.window_id::varchar
                else 'traded'
            end
    ),
    peaked as (
        select
            *,
            greatest(
                coalesce(
                    max(log_before + log_peak) over (
                        partition by clock, plan, strategy, window_id, span, symbol
                        order by block
                        rows between unbounded preceding and 1 preceding
                    ),
                    0
                ),
                0
            ) as peak_before
        from laid
    )
select
    clock,
    plan,
    strategy,
    window_id,
    span,
    symbol,
    sum(returns)::bigint as returns,
    sum(net) / 1e12 as net_sum,
    sum(net_square) / 1e16 as net_square_sum,
    sum(net_cube) / 1e16 as net_cube_sum,
    sum(net_fourth) / 1e18 as net_fourth_sum,
    sum(downside_square) / 1e16 as downside_square_sum,
    sum(lagged_product) / 1e16 as lagged_product_sum,
    sum(gains) / 1e12 as gain_sum,
    sum(losses) / 1e12 as loss_sum,
    sum(active)::bigint as active,
    sum(wins)::bigint as wins,
    sum(trades)::bigint as trades,
    sum(turnover) / 1e12 as turnover_sum,
    sum(positions) / 1e12 as position_sum,
    sum(position_square) / 1e12 as position_square_sum,
    sum(units) / 1e12 as unit_sum,
    sum(unit_square) / 1e16 as unit_square_sum,
    sum(product) / 1e16 as product_sum,
    sum(log_wealth) / 1e12 as log_wealth,
    exp(min(least(log_fall, log_before + log_trough - peak_before)) / 1e12) - 1 as max_drawdown,
    list_sort(flatten(list(loss_list))) as losses,
    max(known_at) as known_at
from peaked
group by clock, plan, strategy, window_id, span, symbol
