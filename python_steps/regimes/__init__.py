"""Regime detectors: each module has detect(market), which gives `rows` of _filtering; filtered, never smoothed."""
