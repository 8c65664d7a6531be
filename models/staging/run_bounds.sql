-- What the run that builds these tables may see: one row.
select run_id, run_number, portfolio, as_of, batch_until
from {{ source("raw", "runs") }}
order by run_number desc
limit 1
