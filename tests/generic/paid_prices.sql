{# A price level stands exactly where the feed is not adjusted: nobody paid an adjusted price. #}
{% test paid_prices(model, column_name) %}
    select model.symbol, model.session_date, model.{{ column_name }}, assets.adjustment
    from {{ model }} as model
    inner join {{ ref("assets") }} as assets on assets.symbol = model.symbol
    where (model.{{ column_name }} is null) <> (assets.adjustment <> 'none')
{% endtest %}
