"""One module per channel over which people are told; a new one is one file.

A channel has `is_set() -> bool`, whether the environment names where to, and `send(alerts) -> None`, which
raises whatever it likes where that fails: the notifier waits ten seconds and no more, and keeps count.
"""
