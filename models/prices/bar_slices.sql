-- How far back a new day needs the bars of a symbol, of those that may be used: one row per symbol with news.
{{ slices_of(ref("bars")) }}
