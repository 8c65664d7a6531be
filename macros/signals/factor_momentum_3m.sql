{# Ranks of momentum, size and volatility, each times how well its factor paid in the asset's class over
   the past quarter: factors that paid go on paying for a while.
   Formula: tanh(Σ rank_f · t_f), t_f = Σr_f / (σ_f · √n) over 91 days
   Source: Ehsani and Linnainmaa 2022
   Horizon: 3 months
   Knows: peers' closes of nine months, and volumes where there are any #}
{% macro signal__factor_momentum_3m() %}
    select
        ranks.symbol,
        ranks.session_date,
        tanh(
            ranks.momentum_rank * factors.momentum
            + ranks.volatility_rank * factors.volatility
            + coalesce(ranks.size_rank * factors.size, 0)
        ) as value,
        ranks.known_at
    from {{ ref("cross_sections") }} as ranks
    inner join {{ ref("assets") }} as assets on assets.symbol = ranks.symbol
    asof join
        {{ ref("factor_strengths") }} as factors
        on factors.asset_class = assets.asset_class
        and ranks.known_at >= factors.known_at
    where factors.known_at >= ranks.known_at - interval 5 day
{% endmacro %}
