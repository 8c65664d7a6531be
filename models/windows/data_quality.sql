-- The universe of each decision and whether its data may be trusted: one row per portfolio, decision_at and
-- symbol. staleness_hours counts from the moment the first missing bar should have been known at its venue,
-- by the calendar that was known then.
{% set missing_limit = 0.10 %}
{% set staleness_limit_hours = 1 %}
with
    members as (
        select
            decisions.portfolio,
            decisions.clock,
            bars.symbol,
            bars.decision_at,
            bars.session_date,
            assets.venue,
            calendars.edition
        from {{ ref("decisions") }} as decisions
        inner join {{ ref("portfolios") }} as portfolios on portfolios.portfolio = decisions.portfolio
        inner join
            {{ ref("decision_bars") }} as bars
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
            coalesce(gaps.missed_in_63, 0) / 63 as missing_rate,
            greatest(date_diff('second', due.available_at, members.decision_at) / 3600.0, 0)::double
            as staleness_hours,
            due.session_date as due_session
        from members
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
        select distinct symbol, session_date, reason, known_at
        from {{ ref("quarantined_bars") }}
        where symbol is not null and session_date is not null
    ),
    judged as (
        select
            measured.portfolio,
            measured.decision_at,
            measured.symbol,
            measured.missing_rate,
            measured.staleness_hours,
            measured.due_session,
            min(refused.reason) as refusal
        from measured
        left join
            refused
            on refused.symbol = measured.symbol
            and refused.session_date = measured.due_session
            and refused.known_at <= measured.decision_at
        group by all
    )
select
    portfolio,
    decision_at,
    symbol,
    missing_rate,
    staleness_hours,
    staleness_hours > {{ staleness_limit_hours }} or missing_rate > {{ missing_limit }} as is_excluded,
    case
        when staleness_hours > {{ staleness_limit_hours }} and refusal is not null
        then 'bar of ' || due_session || ' refused: ' || refusal
        when staleness_hours > {{ staleness_limit_hours }}
        then 'bar of ' || due_session || ' is ' || round(staleness_hours, 1) || ' hours late'
        when missing_rate > {{ missing_limit }}
        then round(100 * missing_rate) || ' % of the last sessions have no bar'
        else 'none'
    end as reason,
    decision_at as known_at
from judged
