-- The universe of each decision and whether its data may be trusted: one row per portfolio, decision_at and
-- symbol. staleness_hours counts from the moment the first missing bar should have been known at its venue,
-- by the calendar that was known then.
with
    members as (
        select
            decisions.portfolio,
            decisions.clock,
            bars.symbol,
            bars.decision_at,
            bars.session_date,
            assets.venue,
            assets.asset_class,
            calendars.edition
        from {{ ref("decisions") }} as decisions
        inner join {{ ref("portfolios") }} as portfolios on portfolios.portfolio = decisions.portfolio
        inner join
            {{ news(ref("decision_bars")) }} as bars
            on bars.clock = decisions.clock
            and bars.decision_at = decisions.decision_at
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        inner join
            {{ ref("calendar_editions") }} as calendars
            on calendars.venue = assets.venue
            and bars.decision_at >= calendars.known_from
            and bars.decision_at < calendars.known_until
        where
            list_contains(portfolios.asset_classes, assets.asset_class)
            and (portfolios.symbols is null or list_contains(portfolios.symbols, bars.symbol))
            and assets.listed_at <= bars.decision_at
    ),
    measured as (
        select
            members.*,
            limits.missing_rate as most_missing,
            limits.consecutive_missing as most_in_a_row,
            limits.staleness_hours as most_overdue,
            coalesce(gaps.missed_in_63, 0) / 63 as missing_rate,
            coalesce(gaps.longest_in_63, 0) as consecutive_missing,
            greatest(date_diff('second', due.available_at, members.decision_at) / 3600.0, 0)::double
            as staleness_hours,
            due.session_date as due_session
        from members
        inner join {{ ref("quality_limits") }} as limits on limits.asset_class = members.asset_class
        inner join
            {{ ref("print_gaps") }} as gaps
            on gaps.symbol = members.symbol
            and gaps.session_date = members.session_date
        asof join
            {{ ref("known_sessions") }} as due
            on due.venue = members.venue
            and due.edition = members.edition
            and members.session_date < due.session_date
    ),
    refused as (
        select distinct symbol, session_date, reason, is_suspect, known_at
        from {{ ref("quarantined_bars") }}
        where symbol is not null and session_date is not null
    ),
    compared as (
        select
            symbol,
            session_date,
            known_at,
            is_beyond and best_shift = 0 as is_contested,
            best_shift <> 0 as is_a_day_apart
        from {{ ref("vendor_differences") }}
    ),
    judged as (
        select
            measured.portfolio,
            measured.decision_at,
            measured.symbol,
            measured.missing_rate,
            measured.consecutive_missing,
            measured.staleness_hours,
            measured.session_date,
            measured.due_session,
            measured.staleness_hours > measured.most_overdue as is_late,
            measured.missing_rate > measured.most_missing as is_missing,
            measured.consecutive_missing > measured.most_in_a_row as is_missing_in_a_row,
            min(refused.reason) as refusal,
            min(refused.reason) filter (refused.is_suspect) as suspicion,
            coalesce(bool_and(compared.is_contested), false) as is_contested,
            coalesce(bool_or(compared.is_a_day_apart), false) as is_a_day_apart
        from measured
        left join
            refused
            on refused.symbol = measured.symbol
            and refused.session_date = measured.due_session
            and refused.known_at <= measured.decision_at
        left join
            compared
            on compared.symbol = measured.symbol
            and compared.session_date = measured.session_date
            and compared.known_at <= measured.decision_at
        group by all
    )
select
    portfolio,
    decision_at,
    symbol,
    missing_rate,
    consecutive_missing,
    staleness_hours,
    concat_ws(
        ', ',
        suspicion,
        case when is_late and suspicion is null then coalesce(refusal, 'late') end,
        case when is_missing then 'missing' end,
        case when is_missing_in_a_row then 'missing_in_a_row' end,
        case when is_contested then 'vendors_disagree' end,
        case when is_a_day_apart then 'vendors_a_day_apart' end
    ) as flags,
    suspicion is not null or is_late or is_missing or is_missing_in_a_row or is_contested as is_excluded,
    case
        when suspicion is not null
        then 'bar of ' || due_session || ' is suspect: ' || suspicion
        when is_late and refusal is not null
        then 'bar of ' || due_session || ' refused: ' || refusal
        when is_late
        then 'bar of ' || due_session || ' is ' || round(staleness_hours, 1) || ' hours late'
        when is_missing
        then round(100 * missing_rate) || ' % of the last sessions have no bar'
        when is_missing_in_a_row
        then consecutive_missing || ' sessions in a row had no bar'
        when is_contested
        then 'vendors disagree on the bar of ' || session_date
        else 'none'
    end as reason,
    decision_at as known_at
from judged
