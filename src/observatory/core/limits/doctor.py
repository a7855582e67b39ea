"""What `doctor` measures and when it warns."""

DOCTOR_CHECK_S_MAX = 5.0
"""One check of `doctor`; then it counts as failed and the others go on."""

DOCTOR_SLOW_CHECK_S_MAX = 10.0
"""As above, of a check that imports much: on a busy machine with a cold disk that takes seconds."""

DOCTOR_IMPORT_S_MAX = 8.0
"""How long `doctor` gives an application to be imported: every start of a child process takes as long."""

DOCTOR_ANSWER_S_MAX = 1.0
"""How long `doctor` waits for a service of this machine."""

DOCTOR_TYPES_NAMED_MAX = 20
"""Job types of an application that `doctor` names; the others are counted."""

FREE_BYTES_WARN = 1024**3
"""Free space of the data folder below which `doctor` warns: a million small jobs take about as much."""

FREE_BYTES_FAIL = 100 * 1024**2
"""Free space below which work may stop within minutes."""

FSYNC_PROBES = 5
"""Writes that `doctor` makes durable to measure the disk; the median counts."""

FSYNC_S_WARN = 0.05
"""A disk that takes longer holds up every accepted job; a local solid-state disk takes a few milliseconds."""

OPEN_FILES_WARN = 1_024
"""Open files that a process should be allowed: a connection, a child process and a reader each need some."""

TERMINAL_COLUMNS_MIN = 80
TERMINAL_ROWS_MIN = 24
