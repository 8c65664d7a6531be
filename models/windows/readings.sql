-- Each signal as an asset's decision reads it, as-of and no older than five days: one row per clock, signal,
-- symbol and decision_at with a valid signal.
select
    bars.clock,
    signals.signal,
    bars.symbol,
    bars.decision_at,
    bars.session_date,
    signals.value,
    signals.known_at as signal_known_at,
    bars.decision_at as known_at
from {{ news(ref("decision_bars")) }} as bars
inner join
    {{ news(ref("signals"), back="interval 5 day") }} as signals
    on signals.symbol = bars.symbol
    and signals.session_date = bars.session_date
where signals.known_at <= bars.decision_at and signals.known_at >= bars.decision_at - interval 5 day
