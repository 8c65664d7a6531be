{# Money traded on rising bars less money traded on falling ones, over all of it: buying in size goes on
   for longer than a bar.
   Formula: Σ sign(r) · v / Σ v over one quarter, v = money traded
   Source: Granville 1963
   Horizon: 3 months
   Knows: volumes and closes of one quarter #}
{% macro signal__on_balance_volume_3m() %}
    select symbol, session_date, balance_quarter as value, known_at from {{ ref("volume_statistics") }}
{% endmacro %}
