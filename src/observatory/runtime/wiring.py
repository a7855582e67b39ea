"""The composition root: the only module that names drivers."""

import os
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from observatory.audit.auditor import Say
from observatory.audit.report import AuditReport
from observatory.contracts import ui_registry
from observatory.core import limits
from observatory.core.event import Producer
from observatory.core.folds import STATS_VIEW
from observatory.core.sources import Clock, Ids, Randomness
from observatory.edge.health import Check
from observatory.edge.settings import EdgeSettings
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.sqlite_migrations import refuse_unusable
from observatory.engine.writers import WriterThread
from observatory.event_bus.in_process import InProcessBus
from observatory.event_log.sqlite import SqliteEventLog
from observatory.gateway.bulk import Bulk
from observatory.gateway.dead_letters import DeadLetters
from observatory.gateway.gateway import Gateway
from observatory.gateway.http import create_gateway_app
from observatory.gateway.queue_control import QueueControl
from observatory.gateway.rebuilding import Rebuilding
from observatory.gateway.schedules import ScheduleGateway
from observatory.job_store.port import WorkerInfo
from observatory.job_store.sqlite import (
    MIGRATIONS,
    SqliteAttemptLogs,
    SqliteJobQueries,
    SqliteJobStore,
    SqliteOutbox,
    SqlitePruning,
    SqliteQueues,
    SqliteSchedules,
    SqliteSelections,
)
from observatory.maintenance.due_jobs import DueJobs
from observatory.maintenance.pruner import Pruner
from observatory.maintenance.pruning_watch import PruningWatch
from observatory.maintenance.relay import Relay
from observatory.maintenance.rescuer import Rescuer
from observatory.maintenance.scheduler import Scheduler
from observatory.metrics_engine.engine import MetricsEngine
from observatory.processor.runner import Runner
from observatory.processor.worker import Worker
from observatory.read_model.explaining import Explaining
from observatory.read_model.http import create_read_model_app
from observatory.read_model.live import LiveEvents
from observatory.read_model.read_model import ReadModel
from observatory.read_model.schedules import ScheduleReadModel
from observatory.read_model.stream import Streams
from observatory.runtime import backing_up, restoring
from observatory.runtime.application import handlers_of
from observatory.runtime.auditing import Drivers, audit_folder, schema_numbers
from observatory.runtime.backing_up import Say as SayPart
from observatory.runtime.backup_files import Manifest
from observatory.runtime.build_info import build_info
from observatory.runtime.data_folder import check_writes, make_private, usable
from observatory.runtime.rebuilding import Compared, Rebuilt, compare_folder, rebuild_folder
from observatory.runtime.rebuilding import Say as SayCount
from observatory.runtime.settings import Settings
from observatory.runtime.sources import SystemClock, SystemIds
from observatory.runtime.supervisor import Loop, Supervisor
from observatory.view_store.sqlite import SqliteViewStore
from observatory.web_server.http import create_web_app


@dataclass(frozen=True)
class Sources:
    """Time, identity and chance of one process."""

    clock: Clock
    ids: Ids
    randomness: Randomness
    instance_id: str
    """New at every process start."""


@dataclass(frozen=True)
class Urls:
    """Where this process listens."""

    gateway: str
    read_model: str
    web: str


@dataclass(frozen=True)
class Services:
    """Everything of one embedded process, wired and not yet running."""

    gateway: Gateway
    worker: Worker
    runner: Runner
    metrics: MetricsEngine
    streams: Streams
    loops: Sequence[Loop]
    gateway_app: Any
    read_model_app: Any
    web_app: Any


def open_file(path: Path) -> tuple[SqliteFile, Path | None]:
    """
    Open and migrate the database; also gives the copy that was made before an older file was changed.

    Raises:
        DataTooNew: Written by a later release.
        DataFolderUnusable: Read-only, full, damaged, or another program's file, which stays as it is.
    """
    migrations = load_migrations(MIGRATIONS)
    with usable(path):
        refuse_unusable(path, migrations)
        readers = ThreadPoolExecutor(limits.READERS, thread_name_prefix="sqlite-reader")
        make_private(path)  # SQLite gives what it keeps beside the file the same mode
        file = SqliteFile(path, writer=WriterThread(), readers=readers)
        try:
            return file, file.migrate(migrations)
        except BaseException:
            file.abandon()
            raise


DRIVERS = Drivers(
    queries=SqliteJobQueries,
    log=SqliteEventLog,
    views=SqliteViewStore,
    pruning=lambda file: SqlitePruning(file, clock=SystemClock()),
    migrations=MIGRATIONS,
)
"""For the commands that work on a data folder without the services."""


def audit(data_dir: Path, *, say: Say | None = None) -> AuditReport:
    """Compare what was accepted in *data_dir* with what exists; see `auditing.audit_folder`. Only reads."""
    return audit_folder(data_dir, drivers=DRIVERS, say=say)


def compare_counters(data_dir: Path, *, say: SayCount) -> Compared:
    """See `rebuilding.compare_folder`. Only reads."""
    return compare_folder(data_dir, drivers=DRIVERS, say=say)


def rebuild_counters(data_dir: Path, *, say: SayCount) -> Rebuilt:
    """See `rebuilding.rebuild_folder`."""
    return rebuild_folder(data_dir, drivers=DRIVERS, open_file=open_file, ids=SystemIds(), say=say)


def back_up(data_dir: Path, target: Path, *, is_compact: bool, say: SayPart) -> Manifest:
    """See `backing_up.back_up`. Only reads *data_dir*."""
    return backing_up.back_up(
        data_dir,
        target,
        drivers=DRIVERS,
        version=build_info().version,
        clock=SystemClock(),
        is_compact=is_compact,
        say=say,
    )


def restore_backup(backup: Path, data_dir: Path, *, is_forced: bool, say: SayPart) -> tuple[Manifest, Path | None]:
    """See `restoring.restore`."""
    return restoring.restore(
        backup, data_dir, drivers=DRIVERS, open_file=open_file, ids=SystemIds(), is_forced=is_forced, say=say
    )


def schema_of(data_dir: Path) -> tuple[int, int] | None:
    """The schema of *data_dir* and the newest that the drivers know; see `auditing.schema_numbers`. Only reads."""
    return schema_numbers(data_dir, MIGRATIONS)


class Wiring:
    """
    Builds the services of one process over one file and one bus.

    Args:
        token: Bearer token that allows writes.
    """

    def __init__(
        self, settings: Settings, *, file: SqliteFile, sources: Sources, supervisor: Supervisor, urls: Urls, token: str
    ) -> None:
        self._settings = settings
        self._file = file
        self._sources = sources
        self._supervisor = supervisor
        self._urls = urls
        self._token = token
        self._version = build_info().version
        self._bus = InProcessBus()
        self._log = SqliteEventLog(file)
        self._views = SqliteViewStore(file)
        self._queries = SqliteJobQueries(file)
        self._attempt_logs = SqliteAttemptLogs(file, clock=sources.clock)
        self._outbox = SqliteOutbox(file)
        self._pruning = SqlitePruning(file, clock=sources.clock)
        self._watch = PruningWatch(pruning=self._pruning, policy=settings.retention, clock=sources.clock)
        self._queues = SqliteQueues(file, clock=sources.clock)
        self._selections = SqliteSelections(file)

    def services(self) -> Services:
        """All of them, of the embedded profile."""
        gateway = Gateway(
            self._store("gateway"), self._queries, self._bus, clock=self._sources.clock, ids=self._sources.ids
        )
        runner = Runner(slots=self._settings.slots, clock=self._sources.clock, app_spec=self._settings.app)
        worker = self._worker(runner)
        metrics = MetricsEngine(
            bus=self._bus,
            log=self._log,
            views=self._views,
            pruning=self._pruning,
            ids=self._sources.ids,
            clock=self._sources.clock,
        )
        live = LiveEvents(bus=self._bus, log=self._log)
        streams = Streams(live, self._log, clock=self._sources.clock)
        loops = [*worker.loops, *self._maintenance(), metrics, live]
        return Services(
            gateway=gateway,
            worker=worker,
            runner=runner,
            metrics=metrics,
            loops=loops,
            gateway_app=self._gateway_app(gateway),
            streams=streams,
            read_model_app=self._read_model_app(loops, streams),
            web_app=self._web_app(),
        )

    def _store(self, service: str) -> SqliteJobStore:
        """The store as one service uses it: its events name that service."""
        producer = Producer(service=service, instance_id=self._sources.instance_id, version=self._version)
        return SqliteJobStore(self._file, producer=producer, clock=self._sources.clock, ids=self._sources.ids)

    def _schedules(self, service: str) -> SqliteSchedules:
        return SqliteSchedules(self._file, store=self._store(service), clock=self._sources.clock)

    def _worker(self, runner: Runner) -> Worker:
        info = WorkerInfo(
            instance_id=self._sources.instance_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=self._version,
            started_at=self._sources.clock.now(),
            slots=self._settings.slots,
        )
        return Worker(
            store=self._store("processor"),
            bus=self._bus,
            runner=runner,
            handlers=handlers_of(self._settings.app),
            info=info,
            prefetch=self._settings.prefetch,
            clock=self._sources.clock,
            randomness=self._sources.randomness,
            logs=self._attempt_logs,
        )

    def _maintenance(self) -> list[Loop]:
        store = self._store("maintenance")
        return [
            Relay(outbox=self._outbox, bus=self._bus, clock=self._sources.clock),
            DueJobs(store=store, bus=self._bus),
            Rescuer(
                store=store,
                queries=self._queries,
                bus=self._bus,
                clock=self._sources.clock,
                randomness=self._sources.randomness,
            ),
            Scheduler(
                schedules=self._schedules("maintenance"),
                queries=self._queries,
                bus=self._bus,
                clock=self._sources.clock,
                ids=self._sources.ids,
            ),
            Pruner(pruning=self._pruning, outbox=self._outbox, views=self._views, policy=self._settings.retention),
            self._watch,
        ]

    # --- over HTTP ----------------------------------------------------------------------------

    def _edge(self, service: str) -> EdgeSettings:
        own = (self._settings.host,) if self._settings.host not in ("0.0.0.0", "::") else ()  # noqa: S104 — compared
        return EdgeSettings(
            service=service,
            version=self._version,
            commit=build_info().commit,
            allowed_hosts=(*own, *self._settings.allowed_hosts),
            allowed_origins=(self._urls.web, *self._settings.allowed_origins),
            token=self._token,
            reads_need_token=self._settings.reads_need_token,
            gateway_port=_port(self._urls.gateway),
            read_model_port=_port(self._urls.read_model),
            web_port=_port(self._urls.web),
        )

    def _gateway_app(self, gateway: Gateway) -> Any:
        bulk = Bulk(self._store("gateway"), self._selections, self._bus, ids=self._sources.ids)
        return create_gateway_app(
            gateway,
            ScheduleGateway(self._schedules("gateway"), gateway.types, clock=self._sources.clock),
            rebuilding=Rebuilding(views=self._views, log=self._log),
            queue_control=QueueControl(self._queues, self._bus),
            bulk=bulk,
            dead_letters=DeadLetters(gateway, self._selections, clock=self._sources.clock),
            edge=self._edge("gateway"),
            registry=CollectorRegistry(),
            checks=[self._store_check()],
            clock=self._sources.clock,
            ids=self._sources.ids,
        )

    def _read_model_app(self, loops: Sequence[Loop], streams: Streams) -> Any:
        read_model = ReadModel(
            self._queries,
            self._queues,
            self._log,
            self._views,
            self._pruning,
            policy=self._settings.retention,
            clock=self._sources.clock,
            source="sqlite",
            uis=ui_registry(),
            attempt_logs=self._attempt_logs,
        )
        explaining = Explaining(
            self._queries,
            self._queues,
            self._selections,
            self._schedules("read-model"),
            self._log,
            loops=self._loop_checks(loops),
            here=self._sources.instance_id,
        )
        return create_read_model_app(
            read_model,
            ScheduleReadModel(self._schedules("read-model"), clock=self._sources.clock),
            explaining,
            streams=streams,
            edge=self._edge("read-model"),
            registry=CollectorRegistry(),
            checks=[
                self._store_check(),
                Check("event_log", self._log.head),
                Check("view_store", lambda: self._views.load(STATS_VIEW)),
                *self._loop_checks(loops),
                Check("pruning", self._watch.check, only_warns=True),
            ],
            clock=self._sources.clock,
            ids=self._sources.ids,
        )

    def _web_app(self) -> Any:
        return create_web_app(
            edge=self._edge("web"),
            registry=CollectorRegistry(),
            checks=[],
            clock=self._sources.clock,
            ids=self._sources.ids,
        )

    def _store_check(self) -> Check:
        """Reads go on when the disk is full or the file was deleted; a store that cannot be written is not ready."""

        async def probe() -> None:
            check_writes(self._file)
            await self._queries.types()

        return Check("job_store", probe)

    def _loop_checks(self, loops: Sequence[Loop]) -> list[Check]:
        """A loop that keeps failing makes the process not ready: it is up, but deaf."""
        return [Check(loop.name.replace(" ", "_"), partial(self._supervisor.check, loop.name)) for loop in loops]


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
