-- Which vendor serves which asset, under which name, and who goes first: one row per symbol and vendor. A
-- feed whose venue is null has the sessions of its asset.
select symbol, vendor, vendor_symbol, precedence::bigint as precedence, venue, adjustment
from {{ study_rows("feeds", ["symbol", "vendor", "vendor_symbol", "precedence", "venue", "adjustment"]) }}
