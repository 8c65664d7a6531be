{# Rank within its class of the beta on it, turned round: who may not borrow buys high beta instead, and
   overpays. The market is the equal-weighted mean of the class as its bars become known, the asset
   included.
   Formula: (above − below) / peers, of cov(own, market) / var(market) over one year
   Source: Frazzini and Pedersen 2014
   Horizon: 12 months
   Knows: peers' closes of one year #}
{% macro signal__low_beta_12m() %}
    select symbol, session_date, - beta_rank as value, known_at from {{ ref("cross_sections") }}
{% endmacro %}
