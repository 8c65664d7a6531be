-- Lengths of the walk-forward spans, in decisions: one row per plan. The train span of a rolling plan moves
-- on with the window; that of an expanding plan starts with the clock and grows, from `train` decisions on.
select
    plan,
    coalesce(kind, 'rolling') as kind,
    train::bigint as train,
    test::bigint as test,
    step::bigint as step,
    embargo::bigint as embargo
from {{ study_rows("walk_forward_plans", ["plan", "kind", "train", "test", "step", "embargo"]) }}
