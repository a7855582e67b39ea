"""Explanations: from when on something counts as late, and how much is looked up for one."""

from observatory.core.limits.attempts import HEARTBEAT_S, LEASE_S
from observatory.core.limits.loops import DUE_SWEEP_S, POLL_S, SWEEP_S

EXPLAIN_DUE_LATE_S = 10 * DUE_SWEEP_S
"""A due job that is not PENDING for so long says that the loop which moves due jobs is behind."""

EXPLAIN_RELAY_LATE_S = 5.0
"""An event that waits for so long to be published says that the relay is behind: it looks at least every `POLL_S`."""

EXPLAIN_DEAF_S = POLL_S + 1.0
"""A job that is first in line for a free slot for so long, although each processor looks by itself, is not heard."""

EXPLAIN_HEARTBEAT_LATE_S = 2 * HEARTBEAT_S
"""A processor that gave no sign for so long has left out at least one heartbeat."""

EXPLAIN_RESCUE_LATE_S = LEASE_S + 5 * SWEEP_S
"""A lease that ended so long ago should have been rescued: the rescuer waits at most one lease after an outage."""

EXPLAIN_OUTCOME_S = 1.0
"""A heartbeat that is so much younger than an attempt, and does not name its job, says that its handler has ended."""

EXPLAIN_DEADLINE_GRACE_S = 2.0
"""An attempt may be past its time-out by so much before that is said: its end takes a moment to be recorded."""

EXPLAIN_RUNS_MAX = 100
"""Completed jobs of a type whose run times are compared with that of a running one: those accepted last."""

EXPLAIN_RUNS_MIN = 20
"""With fewer of them nothing is said about what is usual."""

EXPLAIN_RUNS_SHARE = 0.99
"""An attempt that runs longer than this share of them runs unusually long."""

EXPLAIN_TRIES_MAX = 3
"""How often everything is looked up again when the job changed meanwhile."""

EXPLAIN_NAMED_MAX = 20
"""Jobs, or processors, that one explanation names; the others are counted."""

EXPLAIN_TEXT_BYTES_MAX = 1024
"""Of an error or a reason that an explanation repeats; the whole text stands in the job."""

EXPLAIN_QUOTE_BYTES_MAX = 200
"""Of the same inside of a sentence."""
