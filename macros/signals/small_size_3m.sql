{# Rank within its class of the money traded in it, turned round: what few trade must pay more to be
   held. Stands in for the size of a company, which no bar tells; adjusted feeds have none, because
   their prices are nobody's.
   Formula: (above − below) / peers, of mean(close · volume) over one quarter
   Source: Banz 1981
   Horizon: 3 months
   Knows: peers' volumes, and closes as paid, of one quarter #}
{% macro signal__small_size_3m() %}
    select symbol, session_date, - size_rank as value, known_at from {{ ref("cross_sections") }}
{% endmacro %}
