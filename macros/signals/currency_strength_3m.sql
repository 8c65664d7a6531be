{# How the base currency did against all others over the past quarter: up for pairs that are long it,
   down for those that are short. Its trend is shared by all pairs, and more regular than each one's
   own. Null for all else.
   Formula: ± tanh(r_base_quarter / (σ_base_quarter · √bars_per_quarter))
   Source: Lustig, Roussanov and Verdelhan 2014, on the dollar factor
   Horizon: 3 months
   Knows: peers' closes of one quarter, of other pairs #}
{% macro signal__currency_strength_3m() %}
    select
        baskets.symbol,
        baskets.session_date,
        legs.direction * tanh(baskets.base_quarter) as value,
        baskets.known_at
    from {{ ref("basket_statistics") }} as baskets
    inner join {{ ref("basket_members") }} as legs on legs.symbol = baskets.symbol
    where legs.basket = 'base_currency'
{% endmacro %}
