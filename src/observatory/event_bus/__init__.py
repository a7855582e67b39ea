"""Movement: batches of committed events to consumers, and hints to processors."""
