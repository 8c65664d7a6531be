-- When decisions are made, and in which money they count: one row per clock.
select
    clock,
    time_zone,
    time_of_day::time as time_of_day,
    weekdays,
    base_currency,
    cost_schedule,
    starts_at::date as starts_at,
    decisions_per_year::double as decisions_per_year
from
    {{
        study_rows(
            "clocks",
            [
                "clock",
                "time_zone",
                "time_of_day",
                "weekdays",
                "base_currency",
                "cost_schedule",
                "starts_at",
                "decisions_per_year",
            ],
        )
    }}
