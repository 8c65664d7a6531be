{# Rank within its class of the deviation that the market does not explain, turned round: lottery
   tickets are bought too dear. Market as in low_beta_12m.
   Formula: (above − below) / peers, of σ_ε over one quarter
   Source: Ang, Hodrick, Xing and Zhang 2006
   Horizon: 3 months
   Knows: peers' closes of one quarter #}
{% macro signal__idiosyncratic_volatility_3m() %}
    select symbol, session_date, - residual_deviation_rank as value, known_at from {{ ref("cross_sections") }}
{% endmacro %}
