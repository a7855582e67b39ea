"""Answers questions: the truth for jobs, the history for events, the views for numbers."""
