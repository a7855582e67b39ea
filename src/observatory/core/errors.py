"""Every error that crosses a module of the project.

    ObservatoryError
    ├── Refused                 the caller's mistake; never retried; nothing was stored
    │   ├── BadJson             the body is not JSON that every store can hold
    │   ├── InvalidJob          a field of a submitted job is wrong
    │   ├── InvalidSchedule     a field of a schedule is wrong, or it would never fire
    │   ├── UnknownJob          no job has this id
    │   ├── UnknownSchedule     no schedule has this name
    │   ├── TooManySchedules    there is no room for another one
    │   ├── ScheduleMoved       others kept changing the schedule meanwhile
    │   ├── IdempotencyConflict the key was used for a different job
    │   ├── IllegalTransition   the job's status does not allow this
    │   ├── NotInTransaction    a job was to go with a transaction, and none is open
    │   ├── TooManyQueues       no further queue can be given a setting
    │   └── BadQuery            a filter, cursor or page size is wrong
    ├── Unavailable             the world's state; retry later with backoff
    │   ├── StoreUnavailable    job store; it is not known whether the last write took effect
    │   │   └── KeyInUse        a transaction that is still open uses the key; nothing was stored
    │   ├── BusUnavailable      event bus
    │   ├── LogUnavailable      event log
    │   └── ViewsUnavailable    view store
    ├── RowUnreadable           a stored job is damaged; the same call fails until the data is mended
    ├── ScheduleUnreadable      a stored schedule is damaged; replace or delete it
    ├── LeaseLost               expected: another claim or a rescue came between; drop the result
    ├── CheckpointMoved         another writer advanced this view; load it again
    ├── BadEnvelope             this event can never be consumed; it belongs in the dead letters
    └── CannotStart             the process must not go on
        ├── BadSettings         a setting is wrong or contradicts another
        ├── DataFolderInUse     another process holds the data
        ├── DataFolderUnusable  missing, read-only, full or damaged
        ├── DatabaseUnusable    another program's, or changed by a modified build
        ├── DataTooNew          written by a later release
        └── PortTaken           the address is in use

A programmer's error is an `assert` and is not caught: the supervisor restarts the loop.
"""


class ObservatoryError(Exception):
    """Base of all errors of this project."""

    code = "internal_error"
    """Stable word for machines; part of the HTTP contract."""

    remedy = ""
    """What the person who sees it can do. Empty when the message already says it."""


class Refused(ObservatoryError):
    """
    The caller's mistake: the same call fails again, and nothing was stored.

    Args:
        detail: One sentence in the caller's words, naming the value's bound.
        code: Stable word for machines.
        pointer: RFC 6901 pointer to the fault inside the body; None when it concerns the whole.
    """

    code = "refused"

    def __init__(self, detail: str, *, code: str | None = None, pointer: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        if code is not None:
            self.code = code


class BadJson(Refused):
    """
    The body is not JSON that every store can hold and every client can read.

    Args:
        offset: Byte at which reading stopped; None when the fault has no place.
    """

    def __init__(self, code: str, detail: str, *, pointer: str = "", offset: int | None = None) -> None:
        super().__init__(detail, code=code, pointer=pointer)
        self.offset = offset


class InvalidJob(Refused):
    """A field of a submitted job is wrong; `pointer` names it."""

    code = "invalid_job"


class UnknownJob(Refused):
    """No job has this id: it never existed or was pruned."""

    code = "unknown_job"


class InvalidSchedule(Refused):
    """A field of a schedule is wrong, or it would never fire; `pointer` names the field."""

    code = "invalid_schedule"


class UnknownSchedule(Refused):
    """No schedule has this name."""

    code = "unknown_schedule"


class TooManySchedules(Refused):
    """There is no room for another schedule."""

    code = "too_many_schedules"


class ScheduleMoved(Refused):
    """Others kept changing the schedule while this change was tried; nothing was stored, and it may be tried again."""

    code = "schedule_moved"


class IdempotencyConflict(Refused):
    """The idempotency key belongs to a job with another type, payload or options."""

    code = "idempotency_conflict"

    def __init__(self, detail: str, *, job_id: str) -> None:
        super().__init__(detail, pointer="/idempotencyKey")
        self.job_id = job_id


class IllegalTransition(Refused):
    """The job's status does not allow this command."""

    code = "illegal_transition"


class NotInTransaction(Refused):
    """A job was to go with a transaction of the caller, and the connection commits every statement by itself."""

    code = "not_in_transaction"


class TooManyQueues(Refused):
    """As many queues have a setting as may have one."""

    code = "too_many_queues"


class BadQuery(Refused):
    """A filter, cursor or page size is wrong."""

    code = "bad_query"


class Unavailable(ObservatoryError):
    """The world's state, not the caller's fault: retry later with backoff."""

    code = "unavailable"


class StoreUnavailable(Unavailable):
    """The job store did not answer. It is not known whether the last write took effect."""

    code = "store_unavailable"


class KeyInUse(StoreUnavailable):
    """
    A transaction that is still open is about to accept a job with the same idempotency key. Nothing was stored; whose
    job the key belongs to is known once that one has ended.
    """

    code = "key_in_use"


class BusUnavailable(Unavailable):
    """The event bus did not take or give a batch."""

    code = "bus_unavailable"


class LogUnavailable(Unavailable):
    """The event log did not answer."""

    code = "log_unavailable"


class ViewsUnavailable(Unavailable):
    """The view store did not answer."""

    code = "views_unavailable"


class RowUnreadable(ObservatoryError):
    """The stored row of one job is damaged. Every other job can be read; the same call fails until it is mended."""

    code = "row_unreadable"

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"the stored row of job {job_id} is damaged and cannot be read; `odd-dashboard audit` says more"
        )
        self.job_id = job_id


class ScheduleUnreadable(ObservatoryError):
    """The stored row of one schedule is damaged. The others go on; this one fires nothing until it is replaced."""

    code = "schedule_unreadable"

    def __init__(self, name: str) -> None:
        super().__init__(f"the stored row of schedule {name} is damaged and cannot be read; replace or delete it")
        self.name = name


class LeaseLost(ObservatoryError):
    """The fence of this attempt is no longer the current one; its result is dropped."""

    code = "lease_lost"


class CheckpointMoved(ObservatoryError):
    """Another writer advanced this view; load it again and go on from there."""

    code = "checkpoint_moved"


class BadEnvelope(ObservatoryError):
    """
    This event can never be consumed; it belongs in the dead letters.

    Args:
        position: Where it stands in the log; None when that is not known.
    """

    code = "bad_envelope"

    def __init__(self, detail: str, *, position: int | None = None) -> None:
        super().__init__(detail)
        self.position = position


class CannotStart(ObservatoryError):
    """
    The process must not go on.

    Args:
        problem: One line: what is wrong, with the value.
        remedy: One line: what to do about it. Python shows it below the problem.
    """

    code = "cannot_start"

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.remedy = remedy
        if remedy:
            self.add_note(remedy)


class BadSettings(CannotStart):
    """A setting is wrong or contradicts another."""

    code = "bad_settings"


class DataFolderInUse(CannotStart):
    """Another process holds the data."""

    code = "data_folder_in_use"


class DataFolderUnusable(CannotStart):
    """The data folder is missing, read-only, full or damaged."""

    code = "data_folder_unusable"


class DatabaseUnusable(CannotStart):
    """The database is another program's, lacks our schema, or was changed by a modified build."""

    code = "database_unusable"


class DataTooNew(CannotStart):
    """The data was written by a later release."""

    code = "data_too_new"


class PortTaken(CannotStart):
    """The address is in use by another process."""

    code = "port_taken"
