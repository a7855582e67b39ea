"""Runs jobs: claims them, runs each attempt in the isolation of its type, and settles what came of it."""
