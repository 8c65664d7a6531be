-- How much of the universe is left out for its data: bars that are late, missing, refused or contested, as a
-- share of all that are expected; one row per portfolio and decision_at.
select portfolio, decision_at, count(*) filter (is_excluded) / count(*) as value, decision_at as known_at
from {{ ref("data_quality") }}
group by portfolio, decision_at
