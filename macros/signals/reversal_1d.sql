{# The bar's own return turned round, against the size of the 20 bars before it: whoever trades in haste
   pays whoever takes the other side.
   Formula: −tanh(r / σ), σ of the 20 bars before
   Source: Lehmann 1990; Nagel 2012
   Horizon: 1 day
   Knows: closes of 21 bars #}
{% macro signal__reversal_1d() %}
    select symbol, session_date, - tanh(normalised_return) as value, known_at from {{ ref("daily_returns") }}
{% endmacro %}
