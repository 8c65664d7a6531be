{# Why a metric may have no value, in fixed words, and when. #}
{% macro undefined_when() %}
    {{
        return(
            {
                "fewer than two returns": "returns < 2",
                "returns do not deviate": "returns >= 2 and deviation <= 1e-15",
                "no losing decision": "len(losers) = 0",
                "no fall": "drawdown = 0",
                "growth too large": "drawdown < 0 and growth > 700",
                "never active": "active = 0",
                "positions or returns do not differ": "correlation is null",
            }
        )
    }}
{% endmacro %}

{# Every metric, in the order of the columns: its formula, and the reasons it may be undefined for.
   Sharpe 1994; its error Mertens 2002; Sortino and van der Meer 1991, the deviation below zero over all
   returns; the value at risk is the smallest loss with F(loss) >= 95 %, and the shortfall splits its atom
   (Rockafellar and Uryasev 2000); effective samples are those of a first-order autoregression. Ratios are
   annual. #}
{% macro metric_formulas() %}
    {% set few, flat = "fewer than two returns", "returns do not deviate" %}
    {{
        return(
            {
                "expected_return": ("mean", []),
                "volatility": ("deviation * sqrt(periods)", [few]),
                "sharpe": ("ratio * sqrt(periods)", [few, flat]),
                "sharpe_error": ("sqrt(error_square / (returns - 1)) * sqrt(periods)", [few, flat]),
                "sortino": (
                    "mean / sqrt(list_inner_product(losers, losers) / returns) * sqrt(periods)",
                    ["no losing decision"],
                ),
                "max_drawdown": ("drawdown", []),
                "calmar": ("(exp(growth) - 1) / -drawdown", ["no fall", "growth too large"]),
                "var_95": ("var", []),
                "es_95": ("var + excess / (0.05 * returns)", []),
                "win_rate": ("wins / active", ["never active"]),
                "profit_factor": ("gains / 1e12 / -list_aggregate(losers, 'fsum')", ["no losing decision"]),
                "turnover": ("turnover / 1e12 / returns", []),
                "trades": ("trades", []),
                "effective_samples": ("returns * (1 - memory) / (1 + memory)", [few, flat]),
                "information_coefficient": ("correlation", ["positions or returns do not differ"]),
            }
        )
    }}
{% endmacro %}

{# All metrics of the records in `sums`, which has what span_sums gives and a correlation of position and
   return: one row per `keys`. A metric that is not defined is null, and `undefined` says why. #}
{% macro metrics(sums, keys) %}
    {% set whens = undefined_when() %}
    select
        {{ keys | join(", ") }},
        returns,
        {% for metric, (formula, reasons) in metric_formulas().items() %}
            {% if reasons %}
                case
                    when
                        not (
                            {% for reason in reasons %}
                                ({{ whens[reason] }}){{ " or " if not loop.last }}
                            {% endfor %}
                        )
                    then {{ formula }}
                end as {{ metric }},
            {% else %} {{ formula }} as {{ metric }},
            {% endif %}
        {% endfor %}
        nullif(
            concat_ws(
                '; '
                {% for metric, (formula, reasons) in metric_formulas().items() if reasons %}
                    ,
                    case
                        {% for reason in reasons %}
                            when {{ whens[reason] }} then '{{ metric }}: {{ reason }}'
                        {% endfor %}
                    end
                {% endfor %}
            ),
            ''
        ) as undefined,
        known_at
    from
        (
            with
                averaged as (
                    select
                        sums.*,
                        clocks.decisions_per_year as periods,
                        list_aggregate(net_returns, 'fsum') / returns as mean,
                        [x for x in net_returns if x < 0] as losers,
                        returns - ceil(0.95 * returns)::bigint + 1 as place,
                        exp(walk.fall / 1e12) - 1 as drawdown,
                        walk.wealth / 1e12 * clocks.decisions_per_year / returns as growth
                    from {{ sums }} as sums
                    inner join {{ ref("clocks") }} as clocks on clocks.clock = sums.clock
                ),
                centred as (select *, [x - mean for x in net_returns] as centred from averaged),
                squared as (
                    select
                        *,
                        [x * x for x in centred] as squares,
                        list_inner_product(centred, centred) as square,
                        sqrt(list_inner_product(centred, centred) / nullif(returns - 1, 0)) as deviation
                    from centred
                ),
                -- The few far below the mean are fewer to sort, and mostly enough.
                far as (select *, [x for x in losers if x < mean - deviation] as far from squared),
                sorted as (
                    select
                        *,
                        square / returns as second,
                        list_inner_product(centred, squares) / returns as third,
                        list_inner_product(squares, squares) / returns as fourth,
                        list_sort(
                            case
                                when len(far) >= place
                                then far
                                when len(losers) >= place
                                then losers
                                else net_returns
                            end
                        ) as lowest
                    from far
                )
            select
                *,
                mean / nullif(deviation, 0) as ratio,
                greatest(
                    1
                    - third / pow(second, 1.5) * (mean / nullif(deviation, 0))
                    + (fourth / (second * second) - 1) / 4 * pow(mean / nullif(deviation, 0), 2),
                    0
                ) as error_square,
                list_inner_product(centred[2:], centred[:returns - 1]) / (second * returns) as memory,
                0 - lowest[place] as var,
                coalesce(list_sum([lowest[place] - x for x in lowest[:place - 1]]), 0) as excess
            from sorted
        )
{% endmacro %}

{# Pearson's correlation from a count and the sums below, no less than -1 and no more than 1; null where one
   side does not differ by more than 1e-12. Exact until the last divisions. #}
{% macro correlation(count) %}
    {% set position_spread = "(" ~ count ~ " * position_square - positions * positions)::double" %}
    {% set unit_spread = "(" ~ count ~ " * unit_square - units * units)::double" %}
    case
        when
            position_high - position_low > 1e-12
            and unit_high - unit_low > 1e-12
            and {{ position_spread }} > 0
            and {{ unit_spread }} > 0
        then
            greatest(
                -1,
                least(
                    1,
                    ({{ count }} * product - positions * units)::double
                    / (sqrt({{ position_spread }}) * sqrt({{ unit_spread }}))
                )
            )
    end
{% endmacro %}

{# The sums that `correlation` needs, of the columns position and unit_return, by name: integers of 1e-12, of
   products 1e-24. #}
{% macro correlation_sums() %}
    {% set position, unit = exact("position", 2500), exact("unit_return", 2500) %}
    {{
        return(
            {
                "positions": "sum(" ~ position ~ ")",
                "position_square": "sum(" ~ position ~ "::hugeint * " ~ position ~ ")",
                "position_low": "min(position)",
                "position_high": "max(position)",
                "units": "sum(" ~ unit ~ ")",
                "unit_square": "sum(" ~ unit ~ "::hugeint * " ~ unit ~ ")",
                "unit_low": "min(unit_return)",
                "unit_high": "max(unit_return)",
                "product": "sum(" ~ position ~ "::hugeint * " ~ unit ~ ")",
            }
        )
    }}
{% endmacro %}

{# The same, of parts that have them already. #}
{% macro correlations_added() %}
    {% set added = {} %}
    {% for name in correlation_sums() %}
        {% set how = "min" if name.endswith("_low") else "max" if name.endswith("_high") else "sum" %}
        {% do added.update({name: how ~ "(" ~ name ~ ")" ~ ("::hugeint" if how == "sum" else "")}) %}
    {% endfor %}
    {{ return(added) }}
{% endmacro %}
