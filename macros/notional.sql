{# Return of a currency pair as a position on a notional, in the base currency: the pair is bought with money
   borrowed in its quote currency, so that only what it gains is converted, at the value of the quote currency
   when it is sold. `from` and `to` are prices, `rate_from` and `rate_to` what the quote currency is worth: a
   pair that begins with the base currency has 1 / price there, and the return is 1 - from / to. Nobody loses
   more than nearly all of it: a broker closes the position. #}
{% macro notional_return(from, to, rate_from, rate_to) %}
    greatest(({{ to }} / {{ from }} - 1) * ({{ rate_to }} / {{ rate_from }}), -0.999999)
{% endmacro %}
