-- Every version of every bar of the vendor in force that may be used, with the instant at which the next
-- one took its place: one row per symbol, session_date and version. A suspect version is not among them
-- until it is acquitted, and is known from then on; one that was restated before is not among them at all.
with
    admitted as (
        select told.* replace (greatest(told.known_at, judged.known_at) as known_at)
        from {{ ref("told_bars") }} as told
        inner join
            {{ ref("judged_bars") }} as judged
            on judged.symbol = told.symbol
            and judged.session_date = told.session_date
            and judged.version = told.version
        where judged.is_own and judged.reason is null and {{ is_judged_anew("told") }}
        union all
        select told.* replace (greatest(told.known_at, verdicts.known_at) as known_at)
        from {{ ref("told_bars") }} as told
        inner join
            {{ ref("bar_verdicts") }} as verdicts
            on verdicts.symbol = told.symbol
            and verdicts.session_date = told.session_date
            and verdicts.version = told.version
        where verdicts.verdict = 'acquitted' and {{ is_judged_anew("told") }}
    ),
    standing as (
        select
            admitted.*,
            row_number() over (
                partition by admitted.symbol, admitted.session_date order by admitted.version
            ) as number
        from admitted
        where
            not exists (
                from admitted as later
                where
                    later.symbol = admitted.symbol
                    and later.session_date = admitted.session_date
                    and later.version > admitted.version
                    and later.known_at < admitted.known_at
            )
    )
select
    bars.symbol,
    bars.session_date,
    bars.number as version,
    bars.opened_at,
    bars.closed_at,
    bars.available_at,
    bars.recorded_at,
    restated.known_at as superseded_at,
    bars.open,
    bars.high,
    bars.low,
    bars.close,
    bars.volume,
    bars.vendor,
    bars.batch_id,
    bars.payload_number,
    bars.row_number,
    bars.known_at
from standing as bars
left join
    standing as restated
    on restated.symbol = bars.symbol
    and restated.session_date = bars.session_date
    and restated.number = bars.number + 1
