"""Stores and the bus: batches, pages, the file."""

# --- batches and pages ---------------------------------------------------------------------------

CLAIM_BATCH_MAX = 500
"""Jobs in one claim."""

APPLY_BATCH_MAX = 1_000
"""Commands in one call of `JobStore.apply`."""

DUE_BATCH_MAX = 500
RESCUE_BATCH_MAX = 500
WRITER_CACHE_BYTES = 16 * 1024 * 1024
"""Pages of the database that the writer keeps in memory at most."""

RECENT_EVENTS_MAX = 10_000
"""Events that were committed last and are kept in memory for the relay, of at most `READ_BYTES_MAX` together."""

RELAY_BATCH_MAX = 1_000
"""Events in one published batch."""

RELAY_REST_FACTOR = 4.0
"""Once the outbox is empty the relay rests so many times as long as its last batch took…"""

RELAY_REST_S_MIN = 0.002
"""…at least so long: one batch for each commit costs a caller who waits for each of its jobs a tenth of its rate…"""

RELAY_REST_S_MAX = 0.05
"""…and at most so long, which is how much later somebody who watches sees an event."""

READ_EVENTS_MAX = 1_000
"""Events in one read of the log."""

READ_BYTES_MAX = 4 * 1024 * 1024
"""
JSON of the jobs or events that one read gives: a page, a read of the log, a batch of the relay. It ends before the
item that would exceed this, so that large jobs make short pages; counts alone would allow 170 MiB at once.
"""

PAGE_ITEMS_DEFAULT = 50
PAGE_ITEMS_MAX = 500
CURSOR_CHARS_MAX = 512

CURSOR_PLACE_MAX = 2**63 - 1
"""Largest number that a row or a position can have in any store: a signed 64-bit integer."""

UNREADABLE_ROWS_MAX = 1_000
"""Damaged rows that a store looks past when it chooses what to claim; beyond them, work behind them may wait."""

# --- the bus -------------------------------------------------------------------------------------

SUBSCRIPTION_BATCHES_MAX = 16
"""
Batches that wait for one slow consumer; older ones are dropped, and the consumer reads the gap from the log. Each
holds at most `RELAY_BATCH_MAX` events and `READ_BYTES_MAX` of JSON, so that 64 MiB wait at the most.
"""

# --- the file ------------------------------------------------------------------------------------

WRITE_GROUP_MAX = 512
"""Units of work that share one commit: bounds how long one caller waits for the others."""

STATEMENT_S_MAX = 20.0
"""One read, from its call to its answer, with its wait for a reader; then it is ended and says that it failed."""

STATEMENT_STEPS = 100_000
"""Steps of SQLite's machine between two looks at the time: a few milliseconds. A point read takes a few dozen."""

BUSY_S_MAX = 5.0
"""How long a statement waits for a lock that somebody outside holds."""

READERS = 2
"""Threads that read beside the writer, each with a connection: as many as a small machine has cores."""

WORKERS_KEPT_S = 86_400.0
"""A processor not heard of for a day is no longer listed."""

# --- labels --------------------------------------------------------------------------------------

LABEL_VALUES_MAX = 100
"""Different job types that appear as metric labels or counter keys of their own; the rest is counted as `other`."""
