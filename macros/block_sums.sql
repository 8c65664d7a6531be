{# Sums over blocks of decisions that every span of a plan is made of, so that no return is laid into each
   span that overlaps it: one row per `keys` and block. `rows` has these, decision_number, net_return,
   turnover, trades and is_active; `sums` are more sums, by name. #}
{% macro block_sums(rows, keys, sums) %}
    select
        * exclude(numbers, walks) replace (list_select(net_returns, list_grade_up(numbers)) as net_returns),
        {{ walked("list_select(walks, list_grade_up(numbers))") }} as walk
    from
        (
            select
                {{ keys | join(", ") }},
                block,
                count(*) as returns,
                count(*) filter (where is_active) as active,
                count(*) filter (where is_active and net_return > 0) as wins,
                sum({{ exact("greatest(net_return, 0)") }}) as gains,
                sum(trades)::bigint as trades,
                {% for name, expression in sums.items() %} {{ expression }} as {{ name }}, {% endfor %}
                sum({{ exact("turnover") }}) as turnover,
                list(net_return) as net_returns,
                list({{ first_step("ln(greatest(1 + net_return, 1e-9))") }}) as walks,
                list(decision_number) as numbers
            from {{ rows }}
            group by {{ keys | join(", ") }}, block
        )
{% endmacro %}

{# The same over spans, from the blocks they are made of: one row per `keys`. `laid` has one row per span and
   block, with the columns of block_sums and known_at. #}
{% macro span_sums(laid, keys, sums) %}
    select
        * exclude(parts, walks, blocks),
        flatten(list_select(parts, list_grade_up(blocks))) as net_returns,
        {{ walked("list_select(walks, list_grade_up(blocks))") }} as walk
    from
        (
            select
                {{ keys | join(", ") }},
                sum(returns)::bigint as returns,
                sum(active)::bigint as active,
                sum(wins)::bigint as wins,
                sum(gains)::hugeint as gains,
                sum(trades)::bigint as trades,
                {% for name, expression in sums.items() %} {{ expression }} as {{ name }}, {% endfor %}
                sum(turnover)::hugeint as turnover,
                max(known_at) as known_at,
                list(net_returns) as parts,
                list(walk) as walks,
                list(block) as blocks
            from {{ laid }}
            group by {{ keys | join(", ") }}
        )
{% endmacro %}

{# The log of wealth as it walks, in integers of 1e-12 from the start: where it ends, its peak and trough, the
   start among them, and its worst fall from a peak. #}
{% macro first_step(log_return) %}
    {
        'wealth':{{ exact(log_return) }},
        'peak':greatest({{ exact(log_return) }}, 0),
        'trough':least({{ exact(log_return) }}, 0),
        'fall':least({{ exact(log_return) }}, 0)
    }
{% endmacro %}

{# Walks one after the other: the worst fall is inside one, or from a peak before one to its trough. #}
{% macro walked(walks) %}
    list_reduce(
        {{ walks }},
        (a, b) -> {
            'wealth':a.wealth + b.wealth,
            'peak':greatest(a.peak, a.wealth + b.peak),
            'trough':least(a.trough, a.wealth + b.trough),
            'fall':least(a.fall, b.fall, a.wealth + b.trough - a.peak)
        }
    )
{% endmacro %}

{# The name of a learner's in-sample rows of one window, as a sample of returns. #}
{% macro in_sample(plan, window_id) %} {{ plan }} || '/' || {{ window_id }} {% endmacro %}
