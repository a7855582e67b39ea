"""One attempt: its lease, what it may give back, how it runs, and when it is tried again."""

from observatory.core.limits.jobs import RUN_AHEAD_DAYS_MAX

# --- leases --------------------------------------------------------------------------------------

LEASE_S = 15.0
"""How long a claim holds without a heartbeat."""

LEASE_S_MAX = 3_600.0

HEARTBEAT_S = 5.0
"""How often a processor extends its leases. Three may be missed before the lease ends."""

HEARTBEAT_PAUSE_S = 0.1
"""Between two heartbeats, however many cancels ask for one."""

HEARTBEAT_RETRY_S = 1.0
"""How soon a heartbeat that failed is sent again; sooner when a cancel asks for one."""

STOP_EARLY_S = 2.0
"""A processor that could not extend a lease stops its attempt this long before the lease ends."""

# --- retries -------------------------------------------------------------------------------------

RETRY_BASE_S = 1.0
RETRY_FACTOR = 2.0
RETRY_CAP_S = 3_600.0
"""Backoff is drawn evenly from nothing to min(cap, base × factor^(attempt − 1)) (full jitter)."""

SNOOZE_S_MIN = 1.0
"""A snooze costs no attempt, so nothing but this bounds how fast a job that only snoozes fills its history."""

SNOOZE_S_MAX = RUN_AHEAD_DAYS_MAX * 86_400.0

# --- what an attempt may give back ---------------------------------------------------------------

RESULT_BYTES_MAX = 64 * 1024
"""A handler's result as canonical JSON."""

ERROR_MESSAGE_BYTES_MAX = 4 * 1024
ERROR_TRACEBACK_BYTES_MAX = 16 * 1024
"""A traceback as text: its end."""

ERROR_FRAMES_MAX = 40
"""Frames of an error, half of them its first and half its last: endless recursion shows where it began and ended."""

ERROR_RELATED_MAX = 8
"""Exceptions behind an error that are kept with it; of more their number."""

ERROR_RELATED_FRAMES_MAX = 6
"""Frames of each of them."""

ERROR_RELATED_MESSAGE_BYTES_MAX = 512

ERROR_PART_BYTES_MAX = 256
"""A file, a function or a line of code in a frame."""

ERROR_BYTES_MAX = 192 * 1024
"""
An error as JSON, with everything: what is behind it, and then its frames, are left out if it would be longer. Message
and traceback alone stay below it, even where JSON takes six bytes for one.
"""

PROGRESS_MESSAGE_BYTES_MAX = 256
"""One line about how far an attempt is; more belongs in its log."""

PROGRESS_DATA_BYTES_MAX = 4 * 1024
"""A handler's own part of its progress, as canonical JSON: every report is an event that is kept."""

PROGRESS_EVERY_S = 1.0
"""At most one `job.progressed` per attempt in this time, however often its handler calls; the newest call counts."""

ATTEMPT_LOG_BYTES_MAX = 64 * 1024
"""What is kept of what one attempt logs and prints: the end of it."""

ATTEMPT_LOG_LINES_MAX = 2_000
"""Lines of it: a flood of empty lines costs no more than one of text."""

ATTEMPT_LOG_PIECE_BYTES_MAX = 4 * 1024
ATTEMPT_LOG_PIECE_S = 0.001
"""What is written within so much time shares one time stamp, up to so many bytes."""

ATTEMPT_LOG_SAVE_S = 3.0
"""How often the log of a running attempt is saved: what a crash may cost of it."""

ATTEMPT_LOGS_KEPT = 10
"""Logs kept of one job, the newest: snoozes and releases cost no attempt, but each may leave a log."""

LOG_FAULT_PART_BYTES_MAX = 1024
"""Of a record that cannot be formatted: its template, and what went wrong, each."""

LOG_NESTING_MAX = 3
"""Records that are formatted inside of one another, by an argument that logs while it is turned into text."""

SERVICE_LOG_VALUE_BYTES_MAX = 8 * 1024
"""Of one text in a line of the service's log, where handlers log too: the end of a traceback, else the beginning."""

SERVICE_LOG_LINE_BYTES_MAX = 128 * 1024
"""A line of the service's log; one that would be longer has its message and its traceback, and no more."""

CHILD_READ_BYTES = 64 * 1024
"""What is read of a child's output at once: as much as a pipe holds."""

CHILD_OUTPUT_REST_BYTES_MAX = 1024 * 1024
"""What is still read of a child's output when its attempt is over: a program that it left may write for ever."""

CHILD_STRAY_BYTES_MAX = 1024
"""What is shown of the output of a child that runs no attempt."""

# --- running one attempt -------------------------------------------------------------------------

CHILD_START_S_MAX = 30.0
"""How long a child process may take to start and to import the application."""

CHILD_END_S = 1.0
"""How long a child process may take to end by itself at the stop of its processor; then it is killed."""

CHILD_LAST_WORDS_S = 0.2
"""How long to read what a dead child still said, when a process that it left behind holds the pipe open."""

CHILD_MESSAGE_BYTES_MAX = 1024 * 1024
"""One message between a processor and its child: more than any payload, result or error in JSON."""

MEMORY_BYTES_MIN = 1024 * 1024
"""Least `memory_bytes_max` of a type: with less, the interpreter cannot even call the handler."""

MEMORY_BYTES_MAX = 2**50
"""Largest `memory_bytes_max` of a type: no machine has as much, and the kernel's counters still hold it."""

TRACEBACK_LINE_BYTES_MAX = 1024
"""One entry of a traceback: a very long message does not push the frames out."""

TRACEBACK_FRAMES_MAX = 512
"""Frames that are read of one traceback, the newest: more than fit into its bytes, fewer than deep recursion has."""

TRACEBACK_ERRORS_MAX = 100
"""Exceptions behind one (causes, contexts, members of a group) that are shown with it; of more none is shown."""
