"""Loops: how often each looks, and how all of them stop."""

VIEW_SAVE_EVERY_S = 0.1
"""How often the counters are saved while events keep coming; after a quiet time they are saved at once."""

POLL_S = 2.0
"""How often a processor looks for work by itself when no hint came."""

RUN_ONCE_S_MAX = 30.0
"""A loop whose one round takes longer counts as hanging, and its process as not ready."""

SWEEP_S = 1.0
"""How often expired leases are looked for."""

DUE_SWEEP_S = 0.2
"""How often due jobs are looked for: how late a delayed job or a retry may start. A look costs one index seek."""

DRAIN_S = 2.0
"""How long running attempts may go on after a stop was asked for; then they are released at no cost."""

STOP_S_MAX = 4.5
"""A process that still runs so long after a stop was asked for is ended, whatever its handlers do."""

STOP_LEAVE_S = 0.25
"""How long the interpreter may take to end after everything of ours has ended."""

STOP_LAST_WORDS_S = 0.2
"""How long the last words may take: a pipe that nobody empties would hold them, and the process, for ever."""

STOP_GRACE_S = 1.0
"""How long an attempt that was asked to stop may take to end."""

LOOP_STALL_S = 1.0
"""The event loop of a processor may stand still for so long before that is logged."""

LOOP_LOOK_S = 0.25
"""How often it is looked whether the event loop turns: costs a timer and a thread that wakes up."""

LOOP_BACKOFF_S_MAX = 30.0
"""The longest pause of a loop that keeps failing."""

LOOP_AWAY_S_MAX = 5.0
"""
The longest pause of a loop for which a store or a bus is away: how late it may notice that it is back. Asking costs
little, and what waits meanwhile are the results of attempts, among others.
"""
