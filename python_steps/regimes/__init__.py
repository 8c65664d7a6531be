"""Regime detectors: each module has detect(market), which gives `rows`; filtered, never smoothed."""
