-- Hours by which a whole feed is overdue, the worst of all venues: one row per portfolio and decision_at.
-- One late stock leaves itself out of the decision; a venue of which nothing came is a feed that failed.
with
    feeds as (
        select quality.portfolio, quality.decision_at, assets.venue, min(quality.staleness_hours) as hours
        from {{ ref("data_quality") }} as quality
        inner join {{ ref("assets") }} as assets on assets.symbol = quality.symbol
        group by quality.portfolio, quality.decision_at, assets.venue
    )
select portfolio, decision_at, max(hours) as value, decision_at as known_at
from feeds
group by portfolio, decision_at
