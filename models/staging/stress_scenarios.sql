-- Shocks that were laid down in advance, as returns: one row per scenario and asset_class, currency among the
-- classes (every money but the base against it). What a scenario does not name does not move.
select scenario, asset_class, shock::double as shock, description
from {{ study_rows("stress_scenarios", ["scenario", "asset_class", "shock", "description"]) }}
