"""PostgreSQL: how long anything may take, and how much of the server one process uses."""

POSTGRES_CONNECTIONS_DEFAULT = 10
"""Connections of one process, besides the one that listens."""

POSTGRES_CONNECTIONS_MAX = 100

POSTGRES_CONNECT_S_MAX = 5.0
"""Until a new connection can be used."""

POSTGRES_WAIT_S_MAX = 5.0
"""How long a call waits for one of the process's connections."""

POSTGRES_STATEMENT_S_MAX = 10.0
"""One statement. The server ends it by itself; a server that does not answer at all is given up."""

POSTGRES_ANSWER_S_MAX = POSTGRES_STATEMENT_S_MAX + 1.0
"""Until a server that does not even report the end of a statement counts as gone."""

POSTGRES_LOCK_S_MAX = 4.0
"""How long a statement waits for rows that another transaction holds."""

POSTGRES_IDLE_TRANSACTION_S_MAX = 5.0
"""A transaction in which nothing is asked: its process was stopped, and what it locked is wanted by others."""

POSTGRES_TRIES_MAX = 5
"""Times that a transaction is begun which the server ended to resolve a conflict with another one."""

POSTGRES_MIGRATION_S_MAX = 3_600.0
"""One statement of a migration: it may have to rewrite a large table."""

POSTGRES_MIGRATION_LOCK_S_MAX = 2.0
"""How long a migration waits for a table that is in use. Whoever comes later waits behind it, for less than it may."""

POSTGRES_MIGRATION_PAUSE_S = 1.0
"""Until it tries again: time for those who waited behind it."""

POSTGRES_MIGRATION_TRIES_MAX = 1_200
"""About an hour."""

POSTGRES_IDLE_CONNECTION_S = 300.0
"""A connection that was not used for so long is closed."""

POSTGRES_STATEMENT_CACHE_DEFAULT = 200
"""Statements kept prepared on each connection. 0 behind a pooler that gives each transaction another connection."""

POSTGRES_STATEMENT_CACHE_MAX = 10_000

POSTGRES_SUBMITS_AT_ONCE = 2
"""Joined submits of one process under way at the same time: while the server syncs one, the next is made."""

POSTGRES_SETTING_LOCK_S_MAX = 1.0
"""How long a change of a queue's setting waits for the claims under way; it then says that it was not possible."""

POSTGRES_CLAIM_AGAIN_S = 0.002
"""Until a claim that found nothing but queues that another claim held looks again: as long as that takes to commit."""

POSTGRES_KEY_S_MAX = 0.25
"""How long a joined submit waits for a key that another transaction is about to accept, for the sake of the others."""

POSTGRES_KEY_ALONE_S_MAX = 1.0
"""How long each of its callers waits then, alone; after it they are told to come again."""

POSTGRES_KEY_TURN_S_MAX = 2.0
"""How long each of them waits for its turn to do so: a key may be wanted by many."""

POSTGRES_SUBMITS_AGAIN_AT_ONCE = 4
"""So many of these callers at the same time, beside the joined submits."""

POSTGRES_OUTBOX_LOOK_S = 0.5
"""How often the relay looks by itself, where it may not hear that something was committed."""

# --- notices -------------------------------------------------------------------------------------

POSTGRES_COMMITTED_TOLD_S = 0.001
"""Until the relay is told of a commit: as long as the hint about the same jobs takes to come, which takes it along."""

POSTGRES_NOTICE_BYTES_MAX = 7_999
"""Text of one notice: the server refuses more."""

POSTGRES_PROBE_S = 4.0
"""How often the connection that listens is asked for a sign of life: one that is cut off is silent as a quiet one."""

POSTGRES_GOODBYE_S_MAX = 0.5
"""What the last notices, and then the end of the connection, may take when a process stops."""

POSTGRES_PROBE_ANSWER_S_MAX = 3.0
"""Until a connection that listens and does not answer is given up."""

POSTGRES_TELL_S_MAX = POSTGRES_LOCK_S_MAX + POSTGRES_PROBE_ANSWER_S_MAX
"""Until a notice is told: those who tell commit one after the other."""

POSTGRES_RECONNECT_S_MIN = 0.05
POSTGRES_RECONNECT_S_MAX = 2.0
"""Pause between two attempts to listen again; it doubles from the least to the most while they fail."""
