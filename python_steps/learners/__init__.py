"""Learners: each module has fit(features, target), whose answer can predict(features) row by row."""
