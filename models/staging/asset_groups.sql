-- Which assets are looked at together, by class and all of them: one row per asset_group and symbol.
select unnest([asset_class, 'all']) as asset_group, symbol, listed_at from {{ ref("assets") }}
