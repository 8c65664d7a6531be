-- How far back a new day needs the bars of a symbol, of all that was told: one row per symbol with news.
{{ slices_of(ref("told_bars")) }}
