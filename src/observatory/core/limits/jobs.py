"""What a caller may send, as JSON and as a job."""

# --- what a caller may send ----------------------------------------------------------------------

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

# --- JSON ----------------------------------------------------------------------------------------

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

# --- faults in documents -------------------------------------------------------------------------

VIOLATIONS_MAX = 100
"""Faults reported for one document."""

VIOLATIONS_NAMED_MAX = 10
"""Faults spelled out in one line of text; the others are counted."""

ECHO_CHARS_MAX = 60
"""Of a refused value that its fault repeats: enough to recognise it, too little to flood a log."""

UNKNOWN_MEMBERS_NAMED_MAX = 3
"""Members without meaning that one warning names; the others are counted. It travels in a header."""

UNKNOWN_MEMBERS_REMEMBERED = 256
"""Names of such members for which the similar one is kept: the jobs of a batch tend to have one fault in common."""

CHECKED_FILE_BYTES_MAX = 16 * BODY_BYTES_MAX
"""One file given to `contracts validate`: a page of a list may be larger than a body that is accepted."""
