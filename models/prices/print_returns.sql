-- What each new bar added to an asset's return when it became known: one row per symbol and known_at of
-- a bar that did not come late. A bar that came with a later one is counted with it; one that came
-- after it is not, because the later return spans it already.
select bars.symbol, sum({{ exact("bars.log_total_return") }}) / 1e12 as log_return, bars.known_at
from {{ news(ref("vintage_returns")) }} as bars
inner join
    {{ ref("first_prints") }} as prints
    on prints.symbol = bars.symbol
    and prints.session_date = bars.session_date
where bars.is_own and not prints.is_cut
group by bars.symbol, bars.known_at
