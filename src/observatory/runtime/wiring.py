"""The composition root: the only module that names drivers. `up` and, later, `serve` are wired here alike."""

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
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.sqlite_migrations import load_migrations, refuse_unusable
from observatory.event_bus.in_process import InProcessBus
from observatory.event_log.sqlite import SqliteEventLog
from observatory.gateway.gateway import Gateway
from observatory.gateway.http import create_gateway_app
from observatory.job_store.port import WorkerInfo
from observatory.job_store.sqlite import MIGRATIONS, SqliteJobQueries, SqliteJobStore, SqliteOutbox
from observatory.maintenance.due_jobs import DueJobs
from observatory.maintenance.relay import Relay
from observatory.maintenance.rescuer import Rescuer
from observatory.metrics_engine.engine import MetricsEngine
from observatory.processor.runner import Runner
from observatory.processor.worker import Worker
from observatory.read_model.http import create_read_model_app
from observatory.read_model.read_model import ReadModel
from observatory.runtime.application import handlers_of
from observatory.runtime.auditing import Drivers, audit_folder, schema_numbers
from observatory.runtime.build_info import build_info
from observatory.runtime.data_folder import check_writes, make_private, usable
from observatory.runtime.settings import Settings
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
        writer = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        readers = ThreadPoolExecutor(limits.READERS, thread_name_prefix="sqlite-reader")
        make_private(path)  # SQLite gives what it keeps beside the file the same mode
        file = SqliteFile(path, writer=writer, readers=readers)
        try:
            return file, file.migrate(migrations)
        except BaseException:
            file.abandon()
            raise


def audit(data_dir: Path, *, say: Say | None = None) -> AuditReport:
    """Compare what was accepted in *data_dir* with what exists; see `auditing.audit_folder`. Only reads."""
    drivers = Drivers(queries=SqliteJobQueries, log=SqliteEventLog, views=SqliteViewStore, migrations=MIGRATIONS)
    return audit_folder(data_dir, drivers=drivers, say=say)


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

    def services(self) -> Services:
        """All of them, of the embedded profile."""
        gateway = Gateway(
            self._store("gateway"), self._queries, self._bus, clock=self._sources.clock, ids=self._sources.ids
        )
        runner = Runner(slots=self._settings.slots, clock=self._sources.clock, app_spec=self._settings.app)
        worker = self._worker(runner)
        metrics = MetricsEngine(bus=self._bus, log=self._log, views=self._views, ids=self._sources.ids)
        loops = [*worker.loops, *self._maintenance(), metrics]
        return Services(
            gateway=gateway,
            worker=worker,
            runner=runner,
            metrics=metrics,
            loops=loops,
            gateway_app=self._gateway_app(gateway),
            read_model_app=self._read_model_app(loops),
            web_app=self._web_app(),
        )

    def _store(self, service: str) -> SqliteJobStore:
        """The store as one service uses it: its events name that service."""
        producer = Producer(service=service, instance_id=self._sources.instance_id, version=self._version)
        return SqliteJobStore(self._file, producer=producer, clock=self._sources.clock, ids=self._sources.ids)

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
        )

    def _maintenance(self) -> list[Loop]:
        store = self._store("maintenance")
        return [
            Relay(outbox=SqliteOutbox(self._file), bus=self._bus),
            DueJobs(store=store, bus=self._bus),
            Rescuer(
                store=store,
                queries=self._queries,
                bus=self._bus,
                clock=self._sources.clock,
                randomness=self._sources.randomness,
            ),
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
        return create_gateway_app(
            gateway,
            edge=self._edge("gateway"),
            registry=CollectorRegistry(),
            checks=[self._store_check()],
            clock=self._sources.clock,
            ids=self._sources.ids,
        )

    def _read_model_app(self, loops: Sequence[Loop]) -> Any:
        read_model = ReadModel(
            self._queries,
            self._log,
            self._views,
            clock=self._sources.clock,
            source="sqlite",
            uis=ui_registry(),
        )
        return create_read_model_app(
            read_model,
            edge=self._edge("read-model"),
            registry=CollectorRegistry(),
            checks=[
                self._store_check(),
                Check("event_log", self._log.head),
                Check("view_store", lambda: self._views.load(STATS_VIEW)),
                *self._loop_checks(loops),
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
