-- How each strategy did on each asset in each span: one row per clock, strategy, symbol, plan, window_id and
-- span. Undefined metrics are null: no deviation, no loss, no fall.
with
    moments as (
        select
            sums.*,
            clocks.decisions_per_year as periods,
            net_sum / returns as mean_return,
            sqrt(
                greatest(net_square_sum - net_sum * net_sum / returns, 0) / nullif(returns - 1, 0)
            ) as deviation,
            net_square_sum / returns as second,
            net_cube_sum / returns as third,
            net_fourth_sum / returns as fourth,
            losses[ceil(0.95 * returns)::bigint] as var_95
        from {{ ref("span_sums") }} as sums
        inner join {{ ref("clocks") }} as clocks on clocks.clock = sums.clock
    ),
    shaped as (
        select
            *,
            case when deviation > 1e-12 then mean_return / deviation end as period_sharpe,
            second - mean_return * mean_return as variance,
            third - 3 * mean_return * second + 2 * pow(mean_return, 3) as third_central,
            fourth
            - 4 * mean_return * third
            + 6 * mean_return * mean_return * second
            - 3 * pow(mean_return, 4) as fourth_central,
            greatest(
                -0.99,
                least(
                    0.99,
                    (lagged_product_sum / returns - mean_return * mean_return)
                    / nullif(second - mean_return * mean_return, 0)
                )
            ) as autocorrelation
        from moments
    )
select
    clock,
    strategy,
    symbol,
    plan,
    window_id,
    span,
    returns,
    mean_return as expected_return,
    deviation * sqrt(periods) as volatility,
    period_sharpe * sqrt(periods) as sharpe,
    case
        when variance > 1e-18
        then
            sqrt(
                greatest(
                    1
                    - third_central / pow(variance, 1.5) * period_sharpe
                    + (fourth_central / (variance * variance) - 1) / 4 * pow(period_sharpe, 2),
                    0
                )
                / (returns - 1)
            )
            * sqrt(periods)
    end as sharpe_error,
    mean_return / nullif(sqrt(downside_square_sum / returns), 0) * sqrt(periods) as sortino,
    max_drawdown,
    (exp(log_wealth * periods / returns) - 1) / nullif(- max_drawdown, 0) as calmar,
    var_95,
    var_95 + list_sum([greatest(loss - var_95, 0) for loss in losses]) / (0.05 * returns) as es_95,
    wins / nullif(active, 0) as win_rate,
    gain_sum / nullif(loss_sum, 0) as profit_factor,
    turnover_sum / returns as turnover,
    trades,
    returns * (1 - autocorrelation) / (1 + autocorrelation) as effective_samples,
    (product_sum - position_sum * unit_sum / returns) / nullif(
        sqrt(
            greatest(position_square_sum - position_sum * position_sum / returns, 0)
            * greatest(unit_square_sum - unit_sum * unit_sum / returns, 0)
        ),
        0
    ) as information_coefficient,
    known_at
from shaped
