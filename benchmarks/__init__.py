"""Measurements: figures beside the figures of a peer in the same run."""
