-- Regimes from where a detector knows anything, which it does not while all three are as likely: one row per
-- clock, detector and decision_at.
select clock, detector, decision_at, regime, known_at
from {{ ref("regimes") }}
where risk_on_probability <> neutral_probability or neutral_probability <> risk_off_probability
