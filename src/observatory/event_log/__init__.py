"""History: every event once, in the order of its position."""
