"""Accepts jobs and carries out what callers want done with them."""
