-- The coefficients of each test span, and of each record, in order of decision: one row per clock, signal,
-- plan, window_id, span and horizon with any. A record is all test spans that tile time, up to and including
-- that of its window. Known when the last forward return within the span is.
{% set counts = ["names", "hits", "signed_pairs", "positives", "rises"] %}
with
    tested as (
        select
            spans.clock,
            cross_sections.signal,
            spans.plan,
            spans.window_id,
            spans.horizon,
            spans.is_disjoint,
            list(cross_sections.ic order by cross_sections.decision_number) as ics,
            list(cross_sections.rank_ic order by cross_sections.decision_number) as rank_ics,
            {% for count in counts %} sum(cross_sections.{{ count }})::bigint as {{ count }}, {% endfor %}
            greatest(spans.known_at, max(cross_sections.known_at)) as known_at
        from {{ ref("forward_spans") }} as spans
        inner join
            {{ ref("information_coefficients") }} as cross_sections
            on cross_sections.clock = spans.clock
            and cross_sections.horizon = spans.horizon
            and cross_sections.decision_number >= spans.from_number
            and cross_sections.decision_number < spans.until_number
        where {{ of_news("spans", ref("forward_spans"), ["clock", "plan", "horizon"]) }}
        group by
            spans.clock,
            cross_sections.signal,
            spans.plan,
            spans.window_id,
            spans.horizon,
            spans.is_disjoint,
            spans.known_at
    )
select * exclude (is_disjoint), 'test' as span, 1::bigint as windows
from tested
union all by name
select
    spans.clock,
    parts.signal,
    spans.plan,
    spans.window_id,
    spans.horizon,
    flatten(list(parts.ics order by parts.window_id)) as ics,
    flatten(list(parts.rank_ics order by parts.window_id)) as rank_ics,
    {% for count in counts %} sum(parts.{{ count }})::bigint as {{ count }}, {% endfor %}
    greatest(spans.known_at, max(parts.known_at)) as known_at,
    'record' as span,
    count(*) as windows
from {{ ref("forward_spans") }} as spans
inner join
    tested as parts
    on parts.clock = spans.clock
    and parts.plan = spans.plan
    and parts.horizon = spans.horizon
    and parts.window_id <= spans.window_id
where spans.is_disjoint and parts.is_disjoint
group by spans.clock, parts.signal, spans.plan, spans.window_id, spans.horizon, spans.known_at
