-- How well readings foretold returns: one row per clock, signal, plan, window_id, span and horizon with a
-- coefficient; decay is the same over horizons.
{% set coefficients = ["ic", "rank_ic"] %}
{% set two_sided = 1.959963984540054 %}
with
    averaged as (
        select
            *,
            len(ics) as decisions,
            {% for name in coefficients %}
                list_aggregate({{ name }}s, 'fsum') / len({{ name }}s) as {{ name }}{{ "," if not loop.last }}
            {% endfor %}
        from {{ news(ref("span_coefficients")) }}
    ),
    centred as (
        select
            *,
            {% for name in coefficients %}
                [x - {{ name }} for x in {{ name }}s] as {{ name }}_centred{{ "," if not loop.last }}
            {% endfor %}
        from averaged
    ),
    measured as (
        select
            *,
            {% for name in coefficients %}
                case
                    when decisions >= 2
                    then sqrt(list_inner_product({{ name }}_centred, {{ name }}_centred) / (decisions - 1))
                end as {{ name }}_deviation,
                case
                    when decisions >= 2 * horizon
                    then sqrt(greatest({{ newey_west(name ~ "_centred", "horizon") }}, 0) / decisions)
                end as {{ name }}_error{{ "," if not loop.last }}
            {% endfor %}
        from centred
    )
select
    clock,
    signal,
    plan,
    window_id,
    span,
    horizon,
    windows,
    decisions,
    names / decisions as names,
    {% for name in coefficients %}
        {{ name }},
        {{ name }}_deviation,
        case when {{ name }}_deviation > 1e-15 then {{ name }} / {{ name }}_deviation end as {{ name }}_ratio,
        {{ name }}_error,
        case when {{ name }}_error > 1e-15 then {{ name }} / {{ name }}_error end as {{ name }}_t,
    {% endfor %}
    case when windows >= 3 then ic - {{ two_sided }} * ic_error end as ic_lower,
    case when windows >= 3 then ic + {{ two_sided }} * ic_error end as ic_upper,
    hits / nullif(signed_pairs, 0) as hit_ratio,
    (positives * rises + (signed_pairs - positives) * (signed_pairs - rises))
    / nullif(signed_pairs::double * signed_pairs, 0) as hit_ratio_by_chance,
    nullif(
        concat_ws(
            '; ',
            case when decisions < 2 then 'deviation: fewer than two decisions' end,
            case when ic_deviation <= 1e-15 then 'ratio: coefficients do not deviate' end,
            case when decisions < 2 * horizon then 'error: fewer decisions than two horizons' end,
            case when ic_error <= 1e-15 then 't: coefficients do not deviate' end,
            case when windows < 3 then 'interval: fewer than three windows' end,
            case when signed_pairs = 0 then 'hit_ratio: no pair with signs' end
        ),
        ''
    ) as undefined,
    known_at
from measured
