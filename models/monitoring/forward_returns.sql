-- Gross return from the fill of a decision to the fill of the one so many decisions after it: one row per
-- clock, symbol, decision_at and horizon of a filled order, known when its last fill is. Those of five
-- decisions are the labels. An asset that ends before its horizon has none.
with
    steps as (
        select
            fills.clock,
            fills.symbol,
            fills.decision_at,
            fills.decision_number,
            fills.status = 'filled' as is_filled,
            returns.unit_return,
            greatest(fills.known_at, returns.known_at) as known_at
        from {{ ref("order_fills") }} as fills
        left join
            {{ ref("order_returns") }} as returns
            on returns.clock = fills.clock
            and returns.symbol = fills.symbol
            and returns.decision_at = fills.decision_at
    )
{% for horizon in forward_horizons() %}
    select
        clock,
        symbol,
        {{ horizon }}::bigint as horizon,
        lag(decision_at, {{ horizon - 1 }}) over by_decision_{{ horizon }} as decision_at,
        exp(sum({{ exact("ln(1 + unit_return)") }}) over last_{{ horizon }} / 1e12) - 1 as forward_return,
        max(known_at) over last_{{ horizon }} as known_at
    from steps
    window
        by_decision_{{ horizon }} as (partition by clock, symbol order by decision_number),
        last_{{ horizon }} as (
            partition by clock, symbol
            order by decision_number rows between {{ horizon - 1 }} preceding and current row
        )
    qualify
        decision_number - lag(decision_number, {{ horizon - 1 }}) over by_decision_{{ horizon }}
        = {{ horizon - 1 }}
        and lag(unit_return, {{ horizon - 1 }}) over by_decision_{{ horizon }} is not null
        and count(*) filter (where is_filled) over last_{{ horizon }}
        = count(unit_return) over last_{{ horizon }}
        {{ "union all" if not loop.last }}
{% endfor %}
