-- Every signal on every bar: one row per signal, symbol and session_date.
{{ union_plugins("signal") }}
