{# From which session on a new day needs the bars of a symbol: one row per symbol of which one became known. The
   longest frame and the warm-up of a vintage are 400 bars; those before the slice are counted. A price that
   never moved in the slice may have stood still for longer, so there all of it is taken. `bars` has a row per
   symbol, session_date and version. #}
{% macro slices_of(bars) %}
    {% set reach = 450 %}
    {% if since() is none %}
        select symbol, '1900-01-01'::date as session_from, 0::bigint as bars_before from {{ ref("assets") }}
    {% else %}
        with
            touched as (
                select symbol, min(session_date) as session_date
                from {{ bars }}
                where known_at > timestamp '{{ since() }}'
                group by symbol
            ),
            reached as (
                select
                    bars.symbol,
                    max(bars.session_date, {{ reach }}) as sessions,
                    max_by(bars.close, bars.session_date, {{ reach }}) as closes,
                    count(*) as bars
                from {{ bars }} as bars
                inner join touched on touched.symbol = bars.symbol
                where bars.version = 1 and bars.session_date < touched.session_date
                group by bars.symbol
            ),
            moved as (
                select *, len(sessions) < {{ reach }} or list_max(closes) = list_min(closes) as is_all
                from reached
            )
        select
            touched.symbol,
            case
                when not moved.is_all then list_min(moved.sessions) else '1900-01-01'::date
            end as session_from,
            case when not moved.is_all then moved.bars - {{ reach }} else 0 end::bigint as bars_before
        from touched
        left join moved on moved.symbol = touched.symbol
    {% endif %}
{% endmacro %}

{# The bars of a relation with symbol and session_date that are in their symbol's slice. #}
{% macro sliced(relation, slices="bar_slices") %}
    {% set slices = ref(slices) %}
    {% if since() is none %} {{ relation }}
    {% else %}
        (
            select bars.*
            from {{ relation }} as bars
            inner join {{ slices }} as slices on slices.symbol = bars.symbol
            where bars.session_date >= slices.session_from
        )
    {% endif %}
{% endmacro %}

{# Whether something new is said of a bar that was told, or of another version of it. #}
{% macro is_judged_anew(bar) %}
    (
        {{ of_news(bar, ref("judged_bars"), ["symbol", "session_date"]) }}
        or {{ of_news(bar, ref("bar_verdicts"), ["symbol", "session_date"]) }}
    )
{% endmacro %}

{# Bars of a vintage's own before the slice, as number 0: where there are any, all of the slice is warm. #}
{% macro and_own_before_slice() %}
    {% if since() is not none %}
        union all
        select bars.symbol, bars.vintage, 0 as bar_number
        from {{ this }} as bars
        inner join {{ ref("told_slices") }} as slices on slices.symbol = bars.symbol
        where bars.is_own and bars.session_date < slices.session_from
    {% endif %}
{% endmacro %}
