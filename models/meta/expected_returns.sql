-- What the adopted strategies expect together: one row per portfolio, decision_at and symbol.
-- A view: the rows stand in steps already.
{{ config(materialized="view") }}
select * from {{ source("steps", "expected_returns") }}
