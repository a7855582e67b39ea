"""Calls about the views that are derived from the history."""

from observatory.client.calls import post

REBUILD_STATS = post("/views/stats/rebuild")
