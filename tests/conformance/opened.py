"""What a test is given of a driver that was opened: the ports, a clock, faults, and a restart."""

from collections.abc import Callable
from dataclasses import dataclass

from observatory.core.sources import Ids
from observatory.event_bus.port import EventBus
from observatory.event_log.port import EventLog
from observatory.job_store.attempt_logs import AttemptLogs
from observatory.job_store.port import JobQueries, JobStore, Outbox
from observatory.job_store.pruning import Pruning
from observatory.job_store.queues import Queues
from observatory.job_store.schedules import Schedules
from observatory.job_store.selections import Selections
from observatory.testing.manual_sources import ManualClock
from observatory.view_store.port import ViewStore


class Faults:
    """Makes the engine under a driver fail, in the vendor's own words. Heals by itself after one failure."""

    def __init__(self, vendor_errors: list[Exception]) -> None:
        self.vendor_errors = vendor_errors
        """One instance of every class of errors that the vendor's library can raise."""
        self.has_fired = False
        self._calls_left: int | None = None
        self._is_commit_lost = False
        self._lasting: Exception | None = None

    def fail_call(self, number: int) -> None:
        """The engine call with this *number* from now on (1, 2, …) fails without an effect."""
        self.heal()
        self._calls_left = number

    def lose_next_commit(self) -> None:
        """The next commit takes effect, but its caller sees an error."""
        self.heal()
        self._is_commit_lost = True

    def fail_always(self, error: Exception) -> None:
        """Every engine call fails with *error*, until `heal`."""
        self.heal()
        self._lasting = error

    def heal(self) -> None:
        self.has_fired = False
        self._calls_left, self._is_commit_lost, self._lasting = None, False, None

    def before_call(self) -> None:
        """To be called by the driver's opener before every engine call."""
        if self._lasting is not None:
            raise self._lasting
        if self._calls_left is None:
            return
        self._calls_left -= 1
        if self._calls_left == 0:
            self._calls_left, self.has_fired = None, True
            raise self.vendor_errors[0]

    def after_commit(self) -> None:
        """To be called by the driver's opener after every commit that took effect."""
        if self._is_commit_lost:
            self._is_commit_lost, self.has_fired = False, True
            raise self.vendor_errors[0]


@dataclass(kw_only=True)
class Truth:
    """The ports of the truth over one data set, opened."""

    store: JobStore
    other_store: JobStore
    """A second object over the same data, as another caller has it."""
    outbox: Outbox
    schedules: Schedules
    other_schedules: Schedules
    queries: JobQueries
    queues: Queues
    selections: Selections
    log: EventLog
    """The history that the truth itself keeps."""
    attempt_logs: AttemptLogs
    pruning: Pruning
    views: ViewStore
    """Where the views lie that pruning waits for."""
    clock: ManualClock
    ids: Ids
    faults: Faults
    gives_space_back: bool = True
    """False where the engine itself makes room out of what was pruned."""
    forget: Callable[[], None]
    """Let go of what the driver keeps in memory for its own speed."""
    restarted: Callable[[], "Truth"]
    """Ends as by a kill -9 and opens the same data again. The object itself is not to be used afterwards."""
    end: Callable[[], None]


@dataclass(kw_only=True)
class Log:
    """An empty event log, opened."""

    log: EventLog
    faults: Faults
    restarted: Callable[[], "Log"]
    end: Callable[[], None]


@dataclass(kw_only=True)
class Views:
    """An empty view store, opened."""

    views: ViewStore
    other_views: ViewStore
    faults: Faults
    restarted: Callable[[], "Views"]
    end: Callable[[], None]


@dataclass(kw_only=True)
class Bus:
    """A bus without subscribers, and a second caller's way to it."""

    bus: EventBus
    other_bus: EventBus
    end: Callable[[], None]
