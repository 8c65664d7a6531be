-- Trading days with their open and close in UTC: one row per venue and session_date.
select
    sessions.venue,
    sessions.session_date::date as session_date,
    row_number() over by_venue as session_number,
    sessions.opened_at::timestamp as opened_at,
    sessions.closed_at::timestamp as closed_at,
    sessions.closed_at::timestamp + to_minutes(venues.lag_minutes) as available_at
from {{ study_rows("sessions", ["venue", "session_date", "opened_at", "closed_at"]) }} as sessions
inner join {{ ref("venues") }} as venues on venues.venue = sessions.venue
window by_venue as (partition by sessions.venue order by sessions.session_date::date)
