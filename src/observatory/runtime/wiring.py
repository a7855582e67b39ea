"""The composition root: the only module that names drivers. `up` and, later, `serve` are wired here alike."""

import asyncio
import os
import socket as network
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from observatory.audit.report import AuditReport
from observatory.core import limits
from observatory.core.event import Producer
from observatory.core.sources import Clock, Ids, Randomness
from observatory.edge.health import Check
from observatory.edge.settings import EdgeSettings
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.sqlite_migrations import load_migrations, migrate
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
from observatory.read_model.queries import ReadModel
from observatory.runtime.auditing import audit_folder
from observatory.runtime.build_info import build_info
from observatory.runtime.data_folder import usable
from observatory.runtime.handlers import load_handlers
from observatory.runtime.settings import Settings
from observatory.runtime.supervisor import Loop
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

    worker: Worker
    runner: Runner
    metrics: MetricsEngine
    loops: Sequence[Loop]
    gateway_app: Any
    read_model_app: Any
    web_app: Any


def open_file(path: Path) -> tuple[SqliteFile, Path | None]:
    """
    Open and migrate the database; also returns the copy made before an older file was changed.

    Raises:
        DataTooNew: Written by a later release.
        DataFolderUnusable: Read-only, full or damaged.
    """
    with usable(path):
        writer = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")
        file = SqliteFile(path, writer=writer, readers=readers)
        try:
            copy = file.migrate(load_migrations(MIGRATIONS))
        except BaseException:
            file.abandon()
            raise
        return file, copy


READERS = 2
"""Threads that read beside the writer: as many as a small machine has cores."""


def wire(settings: Settings, *, file: SqliteFile, sources: Sources, urls: Urls, token: str) -> Services:
    """Build every service of the embedded profile over one file and one bus."""
    build = build_info()
    bus, log, views = InProcessBus(), SqliteEventLog(file), SqliteViewStore(file)
    queries = SqliteJobQueries(file)

    def store_of(service: str) -> SqliteJobStore:
        producer = Producer(service=service, instance_id=sources.instance_id, version=build.version)
        return SqliteJobStore(file, producer=producer, clock=sources.clock, ids=sources.ids)

    handlers = load_handlers(settings.app)
    runner = Runner(slots=settings.slots, clock=sources.clock, app_spec=settings.app)
    worker = Worker(
        store=store_of("processor"),
        bus=bus,
        runner=runner,
        handlers=handlers,
        info=_worker_info(settings, sources, build.version),
        clock=sources.clock,
        randomness=sources.randomness,
    )
    maintenance = store_of("maintenance")
    metrics = MetricsEngine(bus=bus, log=log, views=views, ids=sources.ids)
    loops: list[Loop] = [
        *worker.loops,
        Relay(outbox=SqliteOutbox(file), bus=bus),
        DueJobs(store=maintenance, bus=bus),
        Rescuer(store=maintenance, bus=bus, clock=sources.clock, randomness=sources.randomness),
        metrics,
    ]
    return Services(worker, runner, metrics, loops, None, None, None)


def _worker_info(settings: Settings, sources: Sources, version: str) -> WorkerInfo:
    return WorkerInfo(
        instance_id=sources.instance_id,
        host=network.gethostname(),
        pid=os.getpid(),
        version=version,
        started_at=sources.clock.now(),
        slots=settings.slots,
    )
