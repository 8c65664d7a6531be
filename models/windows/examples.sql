-- What a learner may see in each window: one row per clock, plan, window_id, symbol and decision_at, from
-- train_from until the next window's test span. A target is shown only where its label was known by the
-- embargo; every other row, the test span above all, has none. A symbol that comes late teaches only the
-- windows known from its listed_at on.
with
    rows_seen as (
        select
            windows.clock,
            windows.plan,
            windows.window_id,
            bars.symbol,
            bars.decision_at,
            bars.session_date,
            windows.embargo_at,
            windows.known_at as window_known_at,
            windows.decision_number < windows.test_from_number
            and assets.listed_at <= windows.known_at as is_to_learn
        from
            (
                select *, unnest(range(train_from_number, used_until_number)) as decision_number
                from {{ news(ref("walk_forward_windows"), "used_until") }}
            ) as windows
        inner join
            {{ ref("decision_bars") }} as bars
            on bars.clock = windows.clock
            and bars.decision_number = windows.decision_number
        inner join {{ ref("assets") }} as assets on assets.symbol = bars.symbol
        where bars.bar_known_at >= bars.decision_at - interval 5 day
    ),
    judged as (
        select
            rows_seen.*,
            labels.normalised_label,
            coalesce(rows_seen.is_to_learn and labels.known_at <= rows_seen.embargo_at, false) as is_train,
            labels.known_at as label_known_at
        from rows_seen
        left join
            {{ ref("labels") }} as labels
            on labels.clock = rows_seen.clock
            and labels.symbol = rows_seen.symbol
            and labels.decision_at = rows_seen.decision_at
    )
select
    clock,
    plan,
    window_id,
    symbol,
    decision_at,
    session_date,
    is_train and normalised_label is not null as is_train,
    case when is_train then normalised_label end as target,
    case when is_train then label_known_at end as label_known_at,
    greatest(decision_at, window_known_at) as known_at
from judged
