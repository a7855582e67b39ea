"""Settings, clients and the command line."""

from observatory.core.limits.jobs import TIMEOUT_S_DEFAULT

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
