"""The three services over the embedded drivers in a fresh folder, and what a test needs to call them."""

import json
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
from prometheus_client import CollectorRegistry

from observatory.contracts import ui_registry
from observatory.core.event import Producer
from observatory.core.folds import STATS_VIEW, StatsView, fold_stats
from observatory.core.job import Job
from observatory.core.retention import RetentionPolicy
from observatory.core.sources import Ids
from observatory.edge.health import Check
from observatory.edge.http import ServiceApp
from observatory.edge.settings import EdgeSettings
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.writers import WriterThread
from observatory.event_bus.in_process import InProcessBus
from observatory.event_log.port import EventLog
from observatory.event_log.sqlite import SqliteEventLog
from observatory.gateway.bulk import Bulk
from observatory.gateway.dead_letters import DeadLetters
from observatory.gateway.gateway import Gateway
from observatory.gateway.http import create_gateway_app
from observatory.gateway.queue_control import QueueControl
from observatory.gateway.rebuilding import Rebuilding
from observatory.gateway.schedules import ScheduleGateway
from observatory.job_store.attempt_logs import AttemptLogs
from observatory.job_store.port import JobQueries, JobStore, Outbox
from observatory.job_store.pruning import Pruning
from observatory.job_store.queues import Queues
from observatory.job_store.schedules import Schedules
from observatory.job_store.selections import Selections
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
from observatory.read_model.explaining import Explaining
from observatory.read_model.http import create_read_model_app
from observatory.read_model.live import LiveEvents
from observatory.read_model.read_model import ReadModel
from observatory.read_model.schedules import ScheduleReadModel
from observatory.read_model.stream import Streams
from observatory.testing.manual_sources import BEGINNING, ManualClock, SeededIds
from observatory.view_store.port import ViewStore
from observatory.view_store.projection import Projection
from observatory.view_store.sqlite import SqliteViewStore
from observatory.web_server.http import create_web_app
from tests.conformance.opened import Truth

VERSION = (Path(__file__).parents[3] / "VERSION").read_text().strip()
TOKEN = "token-of-the-tests-0123456789"
AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}
DASHBOARD = "http://127.0.0.1:8081"


def edge(service: str, **changes: Any) -> EdgeSettings:
    settings = {"service": service, "version": VERSION, "allowed_origins": (DASHBOARD,), "token": TOKEN}
    return EdgeSettings(**(settings | changes))


@dataclass
class World:
    """One installation."""

    clock: ManualClock
    ids: Ids
    store: JobStore
    queries: JobQueries
    queues: Queues
    selections: Selections
    attempt_logs: AttemptLogs
    schedules: Schedules
    bus: InProcessBus
    outbox: Outbox
    log: EventLog
    views: ViewStore
    pruning: Pruning
    policy: RetentionPolicy
    given_file: SqliteFile | None = None

    @property
    def file(self) -> SqliteFile:
        """Where everything lies, for who damages it."""
        assert self.given_file is not None, "only of the embedded drivers"
        return self.given_file

    def gateway(self, **settings: Any) -> ServiceApp:
        gateway = Gateway(self.store, self.queries, self.bus, clock=self.clock, ids=self.ids)
        return create_gateway_app(
            gateway,
            ScheduleGateway(self.schedules, gateway.types, clock=self.clock),
            rebuilding=Rebuilding(views=self.views, log=self.log),
            queue_control=QueueControl(self.queues, self.bus),
            bulk=Bulk(self.store, self.selections, self.bus, ids=self.ids),
            dead_letters=DeadLetters(gateway, self.selections, clock=self.clock),
            edge=edge("gateway", **settings),
            **self.parts(),
        )

    def read_model(
        self,
        *,
        streams: Streams | None = None,
        loops: Sequence[Check] = (),
        here: str | None = None,
        is_alone: bool = True,
        **settings: Any,
    ) -> ServiceApp:
        model = ReadModel(
            self.queries,
            self.queues,
            self.log,
            self.views,
            self.pruning,
            policy=self.policy,
            clock=self.clock,
            source="sqlite",
            uis=ui_registry(),
            attempt_logs=self.attempt_logs,
        )
        return create_read_model_app(
            model,
            ScheduleReadModel(self.schedules, clock=self.clock),
            Explaining(
                self.queries,
                self.queues,
                self.selections,
                self.schedules,
                self.log,
                outbox=self.outbox,
                loops=loops,
                here=here,
                is_alone=is_alone,
            ),
            streams=streams or self.ended_streams(),
            edge=edge("read-model", **settings),
            **self.parts(),
        )

    def streams(self) -> Streams:
        return Streams(LiveEvents(bus=self.bus, log=self.log), self.log, clock=self.clock)

    def ended_streams(self) -> Streams:
        """They end right after their beginning, so that a client which waits for the end of an answer gets one."""
        streams = self.streams()
        streams.is_stopping = True
        return streams

    def web(self, **settings: Any) -> ServiceApp:
        return create_web_app(edge=edge("web", **settings), **self.parts())

    def service(self, name: str, **settings: Any) -> ServiceApp:
        return {"gateway": self.gateway, "read-model": self.read_model, "web": self.web}[name](**settings)

    def parts(self) -> dict[str, Any]:
        return {
            "registry": CollectorRegistry(),
            "checks": [Check("job_store", self.queries.types), Check("event_log", self.log.head)],
            "clock": self.clock,
            "ids": self.ids,
        }

    async def fold(self) -> None:
        """Bring the stats view up to the log."""
        projection = Projection(STATS_VIEW, StatsView, fold_stats, store=self.views, ids=self.ids)
        await projection.load()
        await projection.apply(await self.log.after(projection.checkpoint, count_max=1000))

    async def stored(self) -> int:
        """How many events there are: rises with everything that is stored about a job."""
        return await self.log.head()

    async def job(self, job_id: str) -> Job:
        job = await self.queries.job(job_id)
        assert job is not None
        return job


@asynccontextmanager
async def open_world(folder: Path, now: datetime = BEGINNING) -> AsyncIterator[World]:
    clock, ids = ManualClock(now), SeededIds()
    with ThreadPoolExecutor(2) as readers:
        file = SqliteFile(folder / "observatory.sqlite", writer=WriterThread(), readers=readers)
        file.migrate(load_migrations(MIGRATIONS))
        producer = Producer(service="test", instance_id="test-1", version=VERSION)
        store = SqliteJobStore(file, producer=producer, clock=clock, ids=ids)
        yield World(
            clock=clock,
            ids=ids,
            store=store,
            queries=SqliteJobQueries(file),
            queues=SqliteQueues(file, clock=clock),
            selections=SqliteSelections(file),
            attempt_logs=SqliteAttemptLogs(file, clock=clock),
            schedules=SqliteSchedules(file, store=store, clock=clock),
            bus=InProcessBus(),
            outbox=SqliteOutbox(file),
            log=SqliteEventLog(file),
            views=SqliteViewStore(file),
            pruning=SqlitePruning(file, clock=clock),
            policy=RetentionPolicy(),
            given_file=file,
        )
        await file.close()


def world_over(truth: Truth) -> World:
    """The same over the drivers of *truth*, whatever they are."""
    return World(
        clock=truth.clock,
        ids=truth.ids,
        store=truth.store,
        queries=truth.queries,
        queues=truth.queues,
        selections=truth.selections,
        attempt_logs=truth.attempt_logs,
        schedules=truth.schedules,
        bus=InProcessBus(),
        outbox=truth.outbox,
        log=truth.log,
        views=truth.views,
        pruning=truth.pruning,
        policy=RetentionPolicy(),
    )


def client(app: Any, **options: Any) -> httpx2.AsyncClient:
    """Calls *app* without a network, with the token unless *options* say otherwise."""
    transport = httpx2.ASGITransport(app=app)
    usual = {"base_url": "http://localhost", "headers": AUTHORIZATION}
    return httpx2.AsyncClient(transport=transport, **(usual | options))


async def submit(app: Any, **fields: Any) -> dict[str, Any]:
    """Submit a job of type example and return it."""
    async with client(app) as http:
        answer = await http.post("/jobs", json={"type": "example"} | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def problem(answer: httpx2.Response) -> dict[str, Any]:
    """The problem that *answer* is."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document = json.loads(answer.content)
    assert document["status"] == answer.status_code
    return document
