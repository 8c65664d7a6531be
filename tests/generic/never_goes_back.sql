{# As time goes on, the session an asset stands on never goes back. #}
{% test never_goes_back(model) %}
    select later.symbol, later.decision_at
    from {{ model }} as later
    inner join
        {{ model }} as earlier
        on earlier.clock = later.clock
        and earlier.symbol = later.symbol
        and earlier.decision_number = later.decision_number - 1
    where later.session_date < earlier.session_date or later.bar_known_at > later.decision_at
{% endtest %}
