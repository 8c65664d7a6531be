-- What the factors of a class earned: one row per asset_class, factor and instant at which a bar of it
-- became known. The market is the mean of its listed members. The others hold each member by its rank
-- in the class at its bar before, over the number of members: long what has more of it, short what has
-- less. Sums are made of thousandths, because a factor earns little against the 1e-12 that they are
-- counted in.
with
    ranked as (
        select
            symbol,
            unnest(['momentum', 'size', 'volatility']) as factor,
            unnest(
                [
                    lag(momentum_rank) over by_print,
                    lag(size_rank) over by_print,
                    lag(volatility_rank) over by_print
                ]
            ) as weight,
            known_at
        from {{ sliced(ref("cross_sections")) }}
        window by_print as (partition by symbol order by known_at)
    ),
    earned as (
        select
            levels.basket as asset_class,
            ranked.factor,
            sum({{ exact("1e3 * ranked.weight * returns.log_return") }})
            / 1e15
            / levels.members as log_return,
            levels.known_at
        from {{ news(ref("basket_levels")) }} as levels
        inner join
            {{ ref("peers") }} as peers
            on peers.asset_group = levels.basket
            and peers.known_at = levels.known_at
            and peers.is_listed
        inner join
            {{ ref("print_returns") }} as returns
            on returns.symbol = peers.symbol
            and returns.known_at = peers.known_at
        inner join ranked on ranked.symbol = peers.symbol and ranked.known_at = peers.known_at
        where ranked.weight is not null
        group by levels.basket, ranked.factor, levels.members, levels.known_at
        union all
        select basket as asset_class, 'market' as factor, log_return, known_at
        from {{ news(ref("basket_levels")) }}
        where
            members >= 3 and basket <> 'base_currency'
            {{ and_kept("asset_class, factor, log_return, known_at") }}
    )
select
    asset_class,
    factor,
    log_return,
    case
        when count(*) over past_quarter >= 40
        then
            {{ exact_sum("1e3 * log_return", "past_quarter") }} / nullif(
                {{ exact_deviation("1e3 * log_return", "past_quarter") }} * sqrt(count(*) over past_quarter),
                0
            )
    end as strength,
    known_at
from earned
window
    past_quarter as (
        partition by asset_class, factor
        order by known_at range between interval 91 day preceding and current row
    )
