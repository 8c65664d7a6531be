-- Trading days as they were expected in each edition of the calendar: one row per venue, edition and
-- session_date. What was planned stands until the change is told; what came of it is in sessions.
with
    changes as (
        select
            venue,
            session_date::date as session_date,
            opened_at::timestamp as opened_at,
            closed_at::timestamp as closed_at,
            known_at::timestamp as told_at
        from
            {{
                study_rows(
                    "calendar_changes", ["venue", "session_date", "opened_at", "closed_at", "known_at"]
                )
            }}
    ),
    planned as (
        select editions.venue, editions.edition, changes.session_date, changes.opened_at, changes.closed_at
        from {{ ref("calendar_editions") }} as editions
        inner join changes on changes.venue = editions.venue and changes.told_at > editions.known_from
        qualify
            row_number() over (
                partition by editions.venue, editions.edition, changes.session_date order by changes.told_at
            )
            = 1
    ),
    expected as (
        select editions.venue, editions.edition, sessions.session_date, sessions.opened_at, sessions.closed_at
        from {{ ref("calendar_editions") }} as editions
        inner join {{ ref("sessions") }} as sessions on sessions.venue = editions.venue
        left join
            planned
            on planned.venue = editions.venue
            and planned.edition = editions.edition
            and planned.session_date = sessions.session_date
        where planned.venue is null
        union all
        select venue, edition, session_date, opened_at, closed_at
        from planned
        where opened_at is not null
    )
select
    expected.venue,
    expected.edition,
    expected.session_date,
    row_number() over (
        partition by expected.venue, expected.edition order by expected.session_date
    ) as session_number,
    expected.opened_at,
    expected.closed_at,
    expected.closed_at + to_minutes(venues.lag_minutes) as available_at
from expected
inner join {{ ref("venues") }} as venues on venues.venue = expected.venue
