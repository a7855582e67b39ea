"""
Every bound in the system, with its unit and its reason: a module for each area, all names reached from here.

These are constants, not settings: a bound that a caller can move is not a bound.
Relations that other code relies on are asserted at the end of this file.
"""

from observatory.core.limits.attempts import *
from observatory.core.limits.audit import *
from observatory.core.limits.doctor import *
from observatory.core.limits.explaining import *
from observatory.core.limits.http import *
from observatory.core.limits.jobs import *
from observatory.core.limits.loops import *
from observatory.core.limits.postgres import *
from observatory.core.limits.queues import *
from observatory.core.limits.retention import *
from observatory.core.limits.roles import *
from observatory.core.limits.schedules import *
from observatory.core.limits.stores import *
from observatory.core.limits.stream import *
from observatory.core.limits.surfaces import *

assert HEARTBEAT_S * 3 <= LEASE_S
assert HEARTBEAT_PAUSE_S < HEARTBEAT_RETRY_S <= HEARTBEAT_S
assert DRAIN_S + STOP_GRACE_S + CHILD_END_S < STOP_S_MAX
assert STOP_S_MAX + STOP_LEAVE_S + STOP_LAST_WORDS_S < 5.0, "a stop ends within five seconds"
assert min(KEPT_COMPLETED_S, KEPT_FAILED_S, KEPT_CANCELLED_S) >= KEPT_S_MIN
assert KEPT_S_MIN > WAIT_UNREACHABLE_S_MAX, "who waits for a job hears how it ended, also over a restart"
assert LOOP_LOOK_S * 2 < LOOP_STALL_S
assert STOP_EARLY_S < LEASE_S - HEARTBEAT_S
assert PAYLOAD_BYTES_MAX < BODY_BYTES_MAX
assert PAYLOAD_BYTES_MAX + METADATA_BYTES_MAX + RESULT_BYTES_MAX + 2 * ERROR_BYTES_MAX < READ_BYTES_MAX
assert 6 * (ERROR_MESSAGE_BYTES_MAX + ERROR_TRACEBACK_BYTES_MAX + 2 * TRACEBACK_LINE_BYTES_MAX) < ERROR_BYTES_MAX
assert 6 * 2 * SERVICE_LOG_VALUE_BYTES_MAX + 1024 < SERVICE_LOG_LINE_BYTES_MAX, "JSON takes six bytes for one"
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
assert POSTGRES_LOCK_S_MAX < POSTGRES_STATEMENT_S_MAX
assert POSTGRES_WAIT_S_MAX + POSTGRES_ANSWER_S_MAX < REQUEST_S_MAX
assert POSTGRES_IDLE_TRANSACTION_S_MAX + POSTGRES_LOCK_S_MAX < LEASE_S
assert POSTGRES_PROBE_S + POSTGRES_TELL_S_MAX < LEASE_S, "who was cut off hears again before it is taken for dead"
assert POSTGRES_RECONNECT_S_MAX <= POLL_S
assert DRAIN_S + STOP_GRACE_S + 2 * POSTGRES_GOODBYE_S_MAX < STOP_S_MAX
assert EXPLAIN_DEAF_S > POLL_S, "a processor looks by itself before it is called deaf"
assert EXPLAIN_HEARTBEAT_LATE_S < LEASE_S, "a heartbeat is late before its lease ends"
assert EXPLAIN_RESCUE_LATE_S > LEASE_S + SWEEP_S, "a rescuer that waits for a lease after an outage is not behind"
assert EXPLAIN_RUNS_MIN <= EXPLAIN_RUNS_MAX <= PAGE_ITEMS_MAX
assert STOP_S_MAX + STOP_LEAVE_S + STOP_LAST_WORDS_S < ROLE_STOP_S_MAX, "no role is killed that ends in order"
assert ROLE_STOP_S_MAX + 1.0 < FLEET_STOP_S_MAX
assert BEGIN_PAUSE_S_MAX < BEGIN_TRY_S_MAX
assert ROLE_RESTART_S < ROLE_RESTART_S_MAX < ROLE_HEALTHY_S
