"""Disposable views and counters, each with its checkpoint."""
