"""Every bound in the system, with its unit and its reason.

These are constants, not settings: a bound that a caller can move is not a bound.
Relations that other code relies on are asserted at the end of the file.
"""

# --- what a caller may send -------------------------------------------------------------------

BODY_BYTES_MAX = 1024 * 1024
"""One HTTP request body. Large data belongs in a file or an object store, with its address in the payload."""

PAYLOAD_BYTES_MAX = 256 * 1024
"""One job's payload as canonical JSON: it is read again at every claim."""

METADATA_BYTES_MAX = 16 * 1024
"""One job's metadata as canonical JSON: labels for people, not data."""

BATCH_JOBS_MAX = 1_000
"""Jobs in one batch submit: bounds the time one transaction holds the writer."""

JSON_DEPTH_MAX = 64
"""Nesting of arrays and objects in any body."""

JOB_TYPE_CHARS_MAX = 50
QUEUE_NAME_CHARS_MAX = 64
IDEMPOTENCY_KEY_CHARS_MAX = 128

PRIORITY_MIN = 0
PRIORITY_MAX = 9
PRIORITY_DEFAULT = 5
"""Priority 0 is claimed first."""

TYPE_SCHEMA_BYTES_MAX = 64 * 1024
"""What a type says of its payload, as canonical JSON: every processor announces it, and `/types` lists all of them."""

ATTEMPTS_MAX = 100
ATTEMPTS_DEFAULT = 3

TIMEOUT_S_MAX = 86_400.0
"""A day. Longer work should be split, or report progress and snooze."""
TIMEOUT_S_DEFAULT = 300.0

RUN_AHEAD_DAYS_MAX = 366
"""How far in the future a job may be due."""

# --- what an attempt may give back ------------------------------------------------------------

RESULT_BYTES_MAX = 64 * 1024
"""A handler's result as canonical JSON."""

ERROR_MESSAGE_BYTES_MAX = 4 * 1024
ERROR_TRACEBACK_BYTES_MAX = 16 * 1024
PROGRESS_NOTE_BYTES_MAX = 256

# --- leases -----------------------------------------------------------------------------------

LEASE_S = 15.0
"""How long a claim holds without a heartbeat."""

LEASE_S_MAX = 3_600.0

HEARTBEAT_S = 5.0
"""How often a processor extends its leases. Three may be missed before the lease ends."""

HEARTBEAT_RETRY_S = 1.0
"""How soon a heartbeat that failed is sent again."""

STOP_EARLY_S = 2.0
"""A processor that could not extend a lease stops its attempt this long before the lease ends."""

# --- retries ----------------------------------------------------------------------------------

RETRY_BASE_S = 1.0
RETRY_FACTOR = 2.0
RETRY_CAP_S = 3_600.0
"""Backoff is drawn evenly from nothing to min(cap, base × factor^(attempt − 1)) (full jitter)."""

SNOOZE_S_MIN = 1.0
"""A snooze costs no attempt, so nothing but this bounds how fast a job that only snoozes fills its history."""

SNOOZE_S_MAX = RUN_AHEAD_DAYS_MAX * 86_400.0

# --- batches and pages ------------------------------------------------------------------------

CLAIM_BATCH_MAX = 500
"""Jobs in one claim."""

APPLY_BATCH_MAX = 1_000
"""Commands in one call of `JobStore.apply`."""

DUE_BATCH_MAX = 500
RESCUE_BATCH_MAX = 500
RELAY_BATCH_MAX = 1_000
"""Events in one published batch."""

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

# --- loops ------------------------------------------------------------------------------------

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

# --- the bus ----------------------------------------------------------------------------------

SUBSCRIPTION_BATCHES_MAX = 16
"""
Batches that wait for one slow consumer; older ones are dropped, and the consumer reads the gap from the log. Each
holds at most `RELAY_BATCH_MAX` events and `READ_BYTES_MAX` of JSON, so that 64 MiB wait at the most.
"""

# --- the file ---------------------------------------------------------------------------------

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

# --- labels -----------------------------------------------------------------------------------

LABEL_VALUES_MAX = 100
"""Different job types that appear as metric labels or counter keys of their own; the rest is counted as `other`."""

# --- JSON (core/strict_json.py) ---------------------------------------------------------------

JSON_STRING_BYTES_MAX = 256 * 1024
"""One decoded string in UTF-8. Longer text is a file."""

JSON_KEY_BYTES_MAX = 256
"""One decoded member name in UTF-8: names are short, and stores index them."""

JSON_OBJECT_KEYS_MAX = 10_000
"""Members of one object."""

JSON_ELEMENTS_MAX = 100_000
"""Array items and object members in one body, all levels together: bounds the memory one body turns into."""

JSON_INTEGER_MAX = 2**53 - 1
"""Largest magnitude of an integer that every JSON reader keeps exactly (RFC 8259 section 6)."""

# --- faults in documents (contracts/) ---------------------------------------------------------

VIOLATIONS_MAX = 100
"""Faults reported for one document."""

VIOLATIONS_NAMED_MAX = 10
"""Faults spelled out in one line of text; the others are counted."""

ECHO_CHARS_MAX = 60
"""Of a refused value that its fault repeats: enough to recognise it, too little to flood a log."""

CHECKED_FILE_BYTES_MAX = 16 * BODY_BYTES_MAX
"""One file given to `contracts validate`: a page of a list may be larger than a body that is accepted."""

# --- settings, client, command line -----------------------------------------------------------

SLOTS_DEFAULT = 4
"""Attempts that run at the same time in one processor: enough to overlap waiting on a small machine."""

SLOTS_MAX = 256
"""Each slot may hold a thread or a child process."""

PREFETCH_MAX = 256
"""Jobs that one processor may hold beyond its slots: each waits under a lease where nobody else can take it."""

CONFIG_FILE_BYTES_MAX = 64 * 1024
"""A settings file is a page of names; anything longer is another file."""

TOKEN_CHARS_MIN = 16
"""A shorter token can be guessed. Those that we make have 43."""

TOKEN_CHARS_MAX = 512

CONNECT_S_MAX = 3.0
"""How long a client waits for a connection to a service."""

REQUEST_S_MAX = 30.0
"""How long a client waits for an answer: longer than a read may take, so that it hears that one failed."""

WAIT_PAUSE_S_MIN = 0.05
WAIT_PAUSE_S_MAX = 1.0
"""How often a waiting client looks at its job: often at first, once a second later."""

WAIT_UNREACHABLE_S_MAX = 15.0
"""How long a waiting client bears a service that does not answer: longer than a restart takes."""

WAIT_S_DEFAULT = TIMEOUT_S_DEFAULT
"""How long `submit --wait` waits when nobody says how long."""

# --- running one attempt (processor/) ---------------------------------------------------------

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

# --- HTTP services (edge/, gateway/, read_model/) ---------------------------------------------

TARGET_BYTES_MAX = 8 * 1024
"""Path and query of one request."""

HEADERS_BYTES_MAX = 16 * 1024
"""All header names and values of one request."""

BATCH_BODY_BYTES_MAX = 8 * 1024 * 1024
"""The body of one batch submit: a thousand jobs of 8 KiB each."""

HEAD_BYTES_MAX = 32 * 1024
"""What the server buffers of a head before it gives up; above the bounds that are answered with a reason."""

HEAD_S_MAX = 10.0
"""How long the head of a request may take to arrive, from the connection or from its first byte."""

BODY_READ_S_MAX = 10.0
"""How long a client may take to send a body: a slow one holds memory and a connection."""

DISCARD_BYTES_MAX = 16 * 1024 * 1024
"""Of a body that is too long, read and thrown away so that its sender, who may only listen afterwards, hears why."""

DISCARD_S_MAX = 2.0

CONNECTIONS_MAX = 2_000
"""Connections of one service; a request on one more is answered with 503 by the server itself."""

CONNECTIONS_WAITING_MAX = 1_024
"""Connections that the kernel holds until the server takes them."""

KEEP_ALIVE_S = 75
"""How long a connection may be idle between two requests: longer than most clients keep theirs."""

REQUEST_GRACE_S = 2
"""How long open requests may go on after the stop."""

READY_CHECK_S_MAX = 2.0
"""How long one dependency may take to answer a readiness check."""

TYPES_CACHE_S = 2.0
"""How old the gateway's knowledge of the announced types may be."""

RETRY_AFTER_S = 2
"""What a client is told to wait when a store did not answer."""

# --- audit ------------------------------------------------------------------------------------

AUDIT_VIOLATIONS_MAX = 1_000
"""Violations spelled out by one audit; the others are counted."""

AUDIT_JOBS_NAMED_MAX = 10
"""Jobs named beside a sum that does not add up."""

AUDIT_DOCUMENTS_MAX = 100_000
"""Open jobs whose fold an audit holds in memory, about a kilobyte each."""

AUDIT_IDS_PER_ROUND = 500_000
"""Event ids compared at once: a set of this many takes about 40 MB."""

AUDIT_SAY_S = 0.5
"""How often an audit says how far it is."""

DAMAGE_LINES_MAX = 10
"""Lines of the engine about a damaged file: the first say where to look."""

AUDIT_AGAIN_MAX = 2
"""How often an audit begins again because an owner took the data meanwhile."""

# --- doctor (platform/) -----------------------------------------------------------------------

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

assert HEARTBEAT_S * 3 <= LEASE_S
assert DRAIN_S + STOP_GRACE_S + CHILD_END_S < STOP_S_MAX
assert STOP_S_MAX + STOP_LEAVE_S + STOP_LAST_WORDS_S < 5.0, "a stop ends within five seconds"
assert LOOP_LOOK_S * 2 < LOOP_STALL_S
assert STOP_EARLY_S < LEASE_S - HEARTBEAT_S
assert PAYLOAD_BYTES_MAX < BODY_BYTES_MAX
assert PAYLOAD_BYTES_MAX + METADATA_BYTES_MAX + RESULT_BYTES_MAX + ERROR_TRACEBACK_BYTES_MAX < READ_BYTES_MAX
assert STATEMENT_S_MAX + BUSY_S_MAX < REQUEST_S_MAX
assert TARGET_BYTES_MAX + HEADERS_BYTES_MAX < HEAD_BYTES_MAX
assert SUBSCRIPTION_BATCHES_MAX * READ_BYTES_MAX <= 64 * 1024 * 1024
assert PRIORITY_MIN <= PRIORITY_DEFAULT <= PRIORITY_MAX
assert max(PAYLOAD_BYTES_MAX, RESULT_BYTES_MAX) * 2 < CHILD_MESSAGE_BYTES_MAX
assert DOCTOR_IMPORT_S_MAX < DOCTOR_SLOW_CHECK_S_MAX
assert FREE_BYTES_FAIL < FREE_BYTES_WARN
