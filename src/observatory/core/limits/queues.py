"""Queues, and actions on many jobs."""

QUEUES_SET_MAX = 500
"""Queues for which something is set: every claim reads these settings, and `/queues` lists all of them."""

QUEUE_CONCURRENCY_MAX = 10_000
"""Largest limit of one queue: more than any set-up has slots, and few enough to be counted at every claim."""

ACTOR_CHARS_MAX = 128
"""Who paused a queue, as the caller says it."""

REASON_CHARS_MAX = 500
"""Why a queue was paused: a sentence for people."""

ERROR_TYPE_CHARS_MAX = 200
"""Of an error's type in a filter: a class name with room to spare."""

BULK_JOBS_DEFAULT = 1_000
BULK_JOBS_MAX = 5_000
"""Jobs that one call of a bulk action looks at: it ends within seconds, and its caller goes on with the cursor."""

BULK_PIECE_JOBS = 100
"""Jobs of a bulk action in one transaction: a few milliseconds, so that submits and claims do not wait for it."""

OPERATION_ID_CHARS_MAX = 64
"""Of a bulk retry; with a job's id it makes an idempotency key."""
