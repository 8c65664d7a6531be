-- From where on data are not trusted: one row per asset_class. A null limit is no limit.
select
    asset_class,
    missing_rate::double as missing_rate,
    consecutive_missing::bigint as consecutive_missing,
    staleness_hours::double as staleness_hours,
    spike_multiple::double as spike_multiple,
    spike_floor::double as spike_floor,
    unit_tolerance::double as unit_tolerance,
    inverted_tolerance::double as inverted_tolerance,
    split_tolerance::double as split_tolerance,
    most_unchanged::bigint as most_unchanged,
    volume_multiple::double as volume_multiple,
    vendor_tolerance::double as vendor_tolerance
from
    {{
        study_rows(
            "quality_limits",
            [
                "asset_class",
                "missing_rate",
                "consecutive_missing",
                "staleness_hours",
                "spike_multiple",
                "spike_floor",
                "unit_tolerance",
                "inverted_tolerance",
                "split_tolerance",
                "most_unchanged",
                "volume_multiple",
                "vendor_tolerance",
            ],
        )
    }}
