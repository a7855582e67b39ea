"""The ports of one process: the contracts that its services work with, whichever engine is behind them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from observatory.event_bus.port import EventBus
from observatory.event_log.port import EventLog
from observatory.job_store.attempt_logs import AttemptLogs
from observatory.job_store.port import JobQueries, JobStore, Outbox
from observatory.job_store.pruning import Pruning
from observatory.job_store.queues import Queues
from observatory.job_store.schedules import Schedules
from observatory.job_store.selections import Selections
from observatory.maintenance.relay import Announce
from observatory.view_store.port import ViewStore

Engine: TypeAlias = Literal["sqlite", "postgres"]


@dataclass(frozen=True, kw_only=True)
class Ports:
    """
    Opened for one process, in its event loop.

    While the engine is away, every port raises its kind of `Unavailable`, and works again by itself afterwards.
    """

    source: Engine
    """Where answers come from, as the surfaces name it."""
    store_of: Callable[[str], JobStore]
    """The store as the service of this name uses it: its events name that service. Costs nothing; opens nothing."""
    schedules_of: Callable[[str], Schedules]
    """As `store_of`."""
    queries: JobQueries
    queues: Queues
    selections: Selections
    attempt_logs: AttemptLogs
    outbox: Outbox
    pruning: Pruning
    log: EventLog
    views: ViewStore
    bus: EventBus
    announce: Announce | None
    """Of a bus whose subscribers read the history: tells them positions. None where the bus carries the events."""
    check: Callable[[], Awaitable[None]]
    """
    Returns when the truth can be read and written; may be asked every second.

    Raises:
        Unavailable: It cannot; the code says why.
    """
    close: Callable[[], Awaitable[None]]
    """Give everything back, after the last call of every port. Safe to call twice."""
