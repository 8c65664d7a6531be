{# Volatility of the past month by highs and lows below that of the past year: calm is paid better, and
   ranges show it with fewer bars than closes do.
   Formula: tanh(2 · ln(p_year / p_month)), p = √(mean(ln(high / low)²) / (4 ln 2))
   Source: Parkinson 1980; Moreira and Muir 2017
   Horizon: 1 month
   Knows: highs and lows of one year #}
{% macro signal__parkinson_1m() %}
    select symbol, session_date, tanh(2 * ln(parkinson_year / parkinson_month)) as value, known_at
    from {{ ref("range_statistics") }}
{% endmacro %}
