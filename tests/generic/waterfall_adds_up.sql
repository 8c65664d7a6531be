{# From stage to stage the changes add up to the published weight. #}
{% test waterfall_adds_up(model) %}
    with
        added as (
            select portfolio, decision_at, symbol, sum(weight_change) as weight
            from {{ model }}
            group by portfolio, decision_at, symbol
        )
    select exposures.portfolio, exposures.decision_at, exposures.symbol
    from {{ ref("target_exposures") }} as exposures
    left join
        added
        on added.portfolio = exposures.portfolio
        and added.decision_at = exposures.decision_at
        and added.symbol = exposures.symbol
    where coalesce(abs(added.weight - exposures.weight) > 1e-12, true)
{% endtest %}
