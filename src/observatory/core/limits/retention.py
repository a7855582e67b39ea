"""What is kept, and for how long."""

KEPT_COMPLETED_S = 7 * 86_400
KEPT_FAILED_S = 30 * 86_400
"""Longer than the others: a failure is looked into by people, who are sometimes away."""
KEPT_CANCELLED_S = 7 * 86_400

KEPT_S_MIN = 60
"""The shortest time that a final job is kept: its submitter looks once a second at most, and may be restarted."""

KEPT_S_MAX = 3_660 * 86_400
"""Ten years; longer is `never`."""

KEPT_TYPES_MAX = 1_000
"""Types whose jobs are kept for a time of their own."""

PRUNE_SWEEP_S = 5.0
"""How often expired jobs are looked for."""

PRUNE_JOBS_MAX = 100
"""Jobs in one piece of pruning."""

PRUNE_EVENTS_MAX = 400
"""Events in one piece; a job that has more by itself is a piece of its own."""

PRUNE_PIECE_S = 0.005
"""How long one piece may hold the only writer; the next one is made smaller when it took longer."""

PRUNE_SHARED_PIECE_S = 0.1
"""As above, where others write meanwhile: only the next piece and whoever saves the view wait for it."""

PRUNE_REST_S = 0.005
"""Pause after a piece: the writer is never occupied by pruning for more than half of the time."""

PRUNE_LATE_S_MAX = 3_600.0
"""A job that is overdue by more, while the backlog does not shrink, says that pruning fell behind or stopped."""

PRUNE_LOOK_S = 60.0
"""How often it is looked whether pruning keeps up."""

FREE_BYTES_KEPT = 16 * 1024 * 1024
"""Free space inside the file that is left there for the jobs to come."""

FREE_SHARE_KEPT = 0.25
"""As above, as a share of the file; the larger of the two counts."""

VACUUM_PAGES_MAX = 64
"""Pages that one piece gives back to the disk."""

JOURNAL_BYTES_KEPT = 64 * 1024 * 1024
"""What the write-ahead log keeps on the disk once it was written back; a long reader lets it grow beyond that."""
