{# How straight the line of the past quarter's closes is, with its direction: a steady climb draws less
   notice than a jump, and is priced more slowly.
   Formula: ρ(ln close, number of the bar) over one quarter: the R of the line through them
   Source: Da, Gurun and Warachka 2014; Clenow 2015
   Horizon: 3 months
   Knows: closes of one quarter #}
{% macro signal__trend_strength_3m() %}
    select symbol, session_date, {{ clipped("trend_quarter") }} as value, known_at
    from {{ ref("trend_statistics") }}
{% endmacro %}
