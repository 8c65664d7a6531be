-- Equal-weighted baskets, each chained of its members' log returns as they became known: one row per
-- basket and instant at which a listed member had a new bar. Only differences of levels mean something.
with
    grown as (
        select
            members.basket,
            peers.known_at,
            count(*) as members,
            count(returns.log_return) as new_members,
            round(sum({{ exact("members.direction * returns.log_return") }})::double / count(*))::bigint
            as log_return
        from {{ ref("basket_members") }} as members
        inner join
            {{ news(ref("peers")) }} as peers
            on peers.asset_group = members.asset_class
            and peers.symbol = members.symbol
            and peers.is_listed
        left join
            {{ ref("print_returns") }} as returns
            on returns.symbol = peers.symbol
            and returns.known_at = peers.known_at
        group by
            members.basket,
            peers.known_at
            {{
                and_kept(
                    "basket, members, 1 as new_members, level as log_return, known_at", last_of="basket"
                )
            }}
    )
select
    basket,
    members,
    log_return / 1e12 as log_return,
    (sum(log_return) over (partition by basket order by known_at))::bigint as level,
    known_at
from grown
where new_members > 0
