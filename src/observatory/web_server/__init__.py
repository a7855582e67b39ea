"""Serves the live page. The page asks the read model itself; this service knows nothing about jobs."""
