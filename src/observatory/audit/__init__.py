"""Proves, or disproves, that what was accepted is still there and that every store says the same. Only reads."""
