"""Regime detectors: each module has detect(market), filtered and never smoothed."""
