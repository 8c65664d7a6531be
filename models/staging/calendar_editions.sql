-- Spans in which the calendar of a venue was known to be the same: one row per venue and edition. A change of
-- the calendar, such as a day of mourning, ends one; known_until of the last is in the year 9999.
with
    starts as (
        select venue, '1900-01-01'::timestamp as known_from
        from {{ ref("venues") }}
        union
        select venue, known_at::timestamp as known_from
        from {{ study_rows("calendar_changes", ["venue", "known_at"]) }}
    ),
    numbered as (
        select venue, row_number() over (partition by venue order by known_from) as edition, known_from
        from starts
    )
select
    numbered.venue,
    numbered.edition,
    numbered.known_from,
    coalesce(following.known_from, '9999-01-01'::timestamp) as known_until
from numbered
left join
    numbered as following on following.venue = numbered.venue and following.edition = numbered.edition + 1
