-- Conditions that need no weights, measured before the allocator runs: one row per portfolio, decision_at and
-- condition. value is null where there is too little history to say.
select portfolio, decision_at, 'staleness' as condition, value, known_at
from {{ ref("market_staleness") }}
union all
select portfolio, decision_at, 'divergence' as condition, value, known_at
from {{ ref("market_divergence") }}
union all
select portfolio, decision_at, 'volatility_surge' as condition, volatility_surge as value, known_at
from {{ ref("market_surges") }}
union all
select portfolio, decision_at, 'correlation_surge' as condition, correlation_surge as value, known_at
from {{ ref("market_surges") }}
union all
select portfolio, decision_at, 'missing_rate' as condition, value, known_at
from {{ ref("market_missing") }}
