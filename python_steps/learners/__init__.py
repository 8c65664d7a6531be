"""Learners: each module has fit(training), whose answer forecasts rows one by one, and load(parameters).

`fit` takes a Training (`_training.py`). What it returns has `predict(features)`, rows by signals with NaN
where a signal had none, to one forecast a row; `parameters()`, all that was fitted, ready for JSON; and
`importances()`, one share for each signal, not negative, that sum to 1 (or are all 0). `load` makes the same
of what `parameters` said, to the bit. A module whose packages are an extra names them in EXTRA. Files that
begin with an underscore are shared helpers.
"""
