-- Kinds of asset and how many of their bars make a week, a month, a year: one row per asset_class.
select
    asset_class,
    default_venue,
    bars_per_week::bigint as bars_per_week,
    bars_per_month::bigint as bars_per_month,
    bars_per_quarter::bigint as bars_per_quarter,
    bars_per_half::bigint as bars_per_half,
    bars_per_year::bigint as bars_per_year
from
    {{
        study_rows(
            "asset_classes",
            [
                "asset_class",
                "default_venue",
                "bars_per_week",
                "bars_per_month",
                "bars_per_quarter",
                "bars_per_half",
                "bars_per_year",
            ],
        )
    }}
