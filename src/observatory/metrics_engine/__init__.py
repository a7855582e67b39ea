"""Folds events into the history and the counters."""
