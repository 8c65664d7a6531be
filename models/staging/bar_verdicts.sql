-- The first verdict on each suspect bar: one row per symbol, session_date and version once there is one.
-- Heavy trading acquits a jump at once, and so does a split that is told and explains it, another vendor
-- that says the same, or the feed itself where it corrects the bars before. Otherwise the next bar
-- decides: where it is nearer to the old level than to the suspect close, or where no true price looks so,
-- the bar is condemned for good.
with
    passed as (
        select symbol, session_date, version, 'acquitted' as verdict, 'volume' as witness, known_at
        from {{ ref("suspect_bars") }}
        where is_surge and reason not in ('zero_volume', 'stale_feed')
        union all
        select
            suspects.symbol,
            suspects.session_date,
            suspects.version,
            'acquitted' as verdict,
            'vendor' as witness,
            greatest(suspects.known_at, others.known_at) as known_at
        from {{ ref("suspect_bars") }} as suspects
        inner join
            {{ ref("vendor_differences") }} as others
            on others.symbol = suspects.symbol
            and others.session_date = suspects.session_date
        where
            suspects.version = 1
            and suspects.reason <> 'zero_volume'
            and not others.is_beyond
            and others.best_shift = 0
        union all
        select
            suspects.symbol,
            suspects.session_date,
            suspects.version,
            'acquitted' as verdict,
            'split' as witness,
            greatest(suspects.known_at, actions.known_at) as known_at
        from {{ ref("suspect_bars") }} as suspects
        inner join
            {{ ref("stg_actions") }} as actions
            on actions.symbol = suspects.symbol
            and actions.ex_date <= suspects.session_date
            and actions.ex_date > suspects.session_before
        where
            actions.kind = 'split'
            and suspects.reason in ('spike', 'split_like')
            and abs(ln(suspects.close * actions.value / suspects.close_before)) < suspects.spike_limit
        union all
        select
            suspects.symbol,
            suspects.session_date,
            suspects.version,
            'acquitted' as verdict,
            'correction' as witness,
            greatest(suspects.known_at, corrected.known_at) as known_at
        from {{ ref("suspect_bars") }} as suspects
        inner join
            (
                select symbol, session_date, version, known_at
                from {{ ref("judged_bars") }}
                where reason is null
            ) as corrected
            on corrected.symbol = suspects.symbol
            and corrected.session_date = suspects.session_date
            and corrected.version = suspects.version
        union all
        select
            symbol,
            session_date,
            version,
            case
                when
                    reason in ('spike', 'split_like')
                    and abs(ln(next_close / close)) <= abs(ln(next_close / level))
                then 'acquitted'
                else 'condemned'
            end as verdict,
            'next bar' as witness,
            known_at
        from {{ ref("next_bars") }}
    )
select symbol, session_date, version, verdict, witness, known_at
from passed
qualify
    row_number() over (
        partition by symbol, session_date, version order by known_at, witness = 'next bar', witness
    )
    = 1
