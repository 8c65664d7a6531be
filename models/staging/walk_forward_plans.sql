-- Lengths of the walk-forward spans, in decisions: one row per plan.
select plan, train::bigint as train, test::bigint as test, step::bigint as step, embargo::bigint as embargo
from {{ study_rows("walk_forward_plans", ["plan", "train", "test", "step", "embargo"]) }}
