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

# --- schedules --------------------------------------------------------------------------------

SCHEDULES_MAX = 1_000
"""Schedules of one installation: all of them may be due in the same second."""

SCHEDULE_NAME_CHARS_MAX = 64

CRON_CHARS_MAX = 200
"""One cron expression. An hour field that lists every hour has 61."""

CRON_YEARS_MAX = 50
"""A cron expression that fires not once in so many years counts as one that never fires; no preview goes further."""

TIMEZONE_CHARS_MAX = 64
"""The longest name of a zone has 32."""

INTERVAL_S_MIN = 1
INTERVAL_S_MAX = 366 * 86_400
"""A second to a year."""

SCHEDULE_LATE_S = 10.0
"""A tick that fires no later than this after its time is `fired`, afterwards `late`: longer than a restart takes."""

SCHEDULE_CATCH_UP_MAX = 500
"""Ticks of the past that one schedule fires in one go: they are one transaction."""
SCHEDULE_CATCH_UP_DEFAULT = 10

SCHEDULE_FIRE_BYTES_MAX = 1024 * 1024
"""JSON of the jobs that one schedule makes in one transaction, but always one job; the others follow in the next."""

SCHEDULE_TICKS_MAX = 5_000
"""Ticks of a cron expression that one round looks at: about 50 ms. The rest is done in the next round."""

SCHEDULES_AT_ONCE = 32
"""Schedules whose rounds run side by side and share a commit; each may hold its payload a few times in memory."""

SCHEDULE_TICKS_KEPT = 10_000
"""Rows of ticks of one schedule, the newest. A range of ticks with one fate is one row."""
SCHEDULE_TICKS_PRUNED = 1_000
"""How many of the oldest rows go at once when there are so many more."""

SCHEDULE_TRIES_MAX = 10
"""How often a change is tried again when the schedule moved meanwhile, as it does at every tick."""

SCHEDULE_WAIT_S_MIN = 0.02
"""The shortest pause of the scheduler: a schedule that cannot be worked on does not keep it spinning."""

UPCOMING_DEFAULT = 5
UPCOMING_MAX = 100
"""Next ticks that are computed for one answer."""

# --- what an attempt may give back ------------------------------------------------------------

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

CHILD_READ_BYTES = 64 * 1024
"""What is read of a child's output at once: as much as a pipe holds."""

CHILD_OUTPUT_REST_BYTES_MAX = 1024 * 1024
"""What is still read of a child's output when its attempt is over: a program that it left may write for ever."""

CHILD_STRAY_BYTES_MAX = 1024
"""What is shown of the output of a child that runs no attempt."""

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
WRITER_CACHE_BYTES = 16 * 1024 * 1024
"""Pages of the database that the writer keeps in memory at most."""

RECENT_EVENTS_MAX = 10_000
"""Events that were committed last and are kept in memory for the relay, of at most `READ_BYTES_MAX` together."""

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

# --- queues and bulk actions ------------------------------------------------------------------

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

# --- loops ------------------------------------------------------------------------------------

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

# --- the bus ----------------------------------------------------------------------------------

SUBSCRIPTION_BATCHES_MAX = 16
"""
Batches that wait for one slow consumer; older ones are dropped, and the consumer reads the gap from the log. Each
holds at most `RELAY_BATCH_MAX` events and `READ_BYTES_MAX` of JSON, so that 64 MiB wait at the most.
"""

# --- the stream -------------------------------------------------------------------------------

STREAMS_MAX = 256
"""Streams open at once at one service: a small part of its connections, so that readers leave room for questions."""

STREAM_RING_EVENTS_MAX = 4_096
"""Newest events kept ready for all streams together; a reader further behind reads the log."""

STREAM_RING_BYTES_MAX = 8 * 1024 * 1024
"""What they take as text: two of the largest batches of the relay."""

STREAM_BACKLOG_MAX = 100_000
"""How many events a reader may be behind and still get them all; beyond that it is told to read the lists anew."""

STREAM_CHUNK_BYTES = 64 * 1024
"""Events that go into one write together. One that is larger goes alone."""

STREAM_READ_EVENTS_MAX = 100
"""Events in one read of the log for one stream; fewer when they are large, so that little is read in vain."""

STREAM_KEEP_ALIVE_S = 15.0
"""The longest silence of a stream."""

STREAM_STALL_S = 30.0
"""How long a reader may take nothing before its stream is ended."""

STREAM_RETRY_S = 2.0
"""How long a reader is told to wait before it connects again."""

STREAM_BYE_S = 0.25
"""How long the last words of a stream may take to be sent; then its connection is cut."""

STREAM_IDLE_S = 45.0
"""How long our client hears nothing before it takes the connection for broken: three keep-alives."""

STREAM_PAUSE_S_MAX = 30.0
"""The longest pause of our client between two connections."""

STREAM_LINE_BYTES_MAX = 2 * 1024 * 1024
"""One line, and one event, that our client takes: more than the largest event."""

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

# --- retention --------------------------------------------------------------------------------

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
"""How long one piece may hold the writer; the next one is made smaller when it took longer."""

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
"""How long `submit --wait`, and `result()` of a handle, wait when nobody says how long."""

SUBMIT_PATIENCE_S = 5.0
"""How long a submit of the SDK is repeated, under one idempotency key, while a service that answered before is away."""

SUBMIT_PAUSE_S_MIN = 0.1
"""The first pause between two of its tries; each one is twice as long as the one before."""

TEST_RUNS_MAX = 10_000
"""Attempts that one call of the test mode runs: a job that snoozes for ever fails its test instead of hanging it."""

RELOAD_QUIET_MS = 200
"""Changes of source files that follow one another within this time are one reload."""

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

BACKUP_PAGES = 1_000
"""Pages of the database that are copied between two looks at the progress: four megabytes."""

MANIFEST_BYTES_MAX = 64 * 1024
"""A backup's manifest is a dozen fields."""

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
assert min(KEPT_COMPLETED_S, KEPT_FAILED_S, KEPT_CANCELLED_S) >= KEPT_S_MIN
assert KEPT_S_MIN > WAIT_UNREACHABLE_S_MAX, "who waits for a job hears how it ended, also over a restart"
assert LOOP_LOOK_S * 2 < LOOP_STALL_S
assert STOP_EARLY_S < LEASE_S - HEARTBEAT_S
assert PAYLOAD_BYTES_MAX < BODY_BYTES_MAX
assert PAYLOAD_BYTES_MAX + METADATA_BYTES_MAX + RESULT_BYTES_MAX + 2 * ERROR_BYTES_MAX < READ_BYTES_MAX
assert 6 * (ERROR_MESSAGE_BYTES_MAX + ERROR_TRACEBACK_BYTES_MAX + 2 * TRACEBACK_LINE_BYTES_MAX) < ERROR_BYTES_MAX
assert RESULT_BYTES_MAX + ERROR_BYTES_MAX < CHILD_MESSAGE_BYTES_MAX
assert STATEMENT_S_MAX + BUSY_S_MAX < REQUEST_S_MAX
assert TARGET_BYTES_MAX + HEADERS_BYTES_MAX < HEAD_BYTES_MAX
assert SUBSCRIPTION_BATCHES_MAX * READ_BYTES_MAX <= 64 * 1024 * 1024
assert SCHEDULE_CATCH_UP_MAX * 2 <= SCHEDULE_TICKS_MAX, "a round gets on although it keeps what may fire"
assert STREAMS_MAX * 4 < CONNECTIONS_MAX
assert STREAM_RING_BYTES_MAX >= 2 * READ_BYTES_MAX
assert STREAM_KEEP_ALIVE_S * 3 <= STREAM_IDLE_S
assert STREAM_RING_EVENTS_MAX < STREAM_BACKLOG_MAX
assert STREAM_BYE_S < REQUEST_GRACE_S / 2
assert PAYLOAD_BYTES_MAX + METADATA_BYTES_MAX < STREAM_LINE_BYTES_MAX / 4
assert PRIORITY_MIN <= PRIORITY_DEFAULT <= PRIORITY_MAX
assert max(PAYLOAD_BYTES_MAX, RESULT_BYTES_MAX) * 2 < CHILD_MESSAGE_BYTES_MAX
assert len("retry/") + 36 + len("/") + OPERATION_ID_CHARS_MAX <= IDEMPOTENCY_KEY_CHARS_MAX
assert DOCTOR_IMPORT_S_MAX < DOCTOR_SLOW_CHECK_S_MAX
assert FREE_BYTES_FAIL < FREE_BYTES_WARN
