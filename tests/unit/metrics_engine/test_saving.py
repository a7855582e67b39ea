"""When does the metrics engine save its counters?"""

import pytest

from observatory.core import limits
from observatory.core.errors import ViewsUnavailable
from observatory.core.event import Producer
from observatory.core.folds import STATS_VIEW
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_file import SqliteFile, connect
from observatory.engine.sqlite_migrations import migrate
from observatory.engine.writers import InlineWriter
from observatory.event_bus.in_process import InProcessBus
from observatory.event_log.sqlite import SqliteEventLog
from observatory.job_store.sqlite import MIGRATIONS, SqliteJobStore, SqliteOutbox, SqlitePruning
from observatory.maintenance.relay import Relay
from observatory.metrics_engine.engine import MetricsEngine
from observatory.testing.factories import new_job
from observatory.testing.manual_sources import ManualClock, SeededIds
from observatory.view_store.sqlite import SqliteViewStore


class Rig:
    """Store, relay and engine over one file, run by hand."""

    def __init__(self, path):
        connection = connect(path)
        migrate(connection, load_migrations(MIGRATIONS), path=path)
        connection.close()
        self.file = SqliteFile(path, writer=InlineWriter(), readers=InlineExecutor())
        self.clock, self.ids, bus = ManualClock(), SeededIds(), InProcessBus()
        producer = Producer(service="gateway", instance_id="one", version="0")
        self.store = SqliteJobStore(self.file, producer=producer, clock=self.clock, ids=self.ids)
        self.relay = Relay(outbox=SqliteOutbox(self.file), bus=bus, clock=self.clock)
        self.views = SqliteViewStore(self.file)
        log = SqliteEventLog(self.file)
        pruning = SqlitePruning(self.file, clock=self.clock)
        self.engine = MetricsEngine(bus=bus, log=log, views=self.views, pruning=pruning, ids=self.ids, clock=self.clock)

    async def submit(self):
        await self.store.submit([new_job(self.ids)])
        await self.relay.run_once()
        await self.engine.run_once()

    async def saved(self):
        stored = await self.views.load(STATS_VIEW)
        return 0 if stored is None else stored.checkpoint


@pytest.fixture
async def rig(tmp_path):
    rig = Rig(tmp_path / "observatory.db")
    await rig.relay.run_once()
    await rig.engine.run_once()
    yield rig
    rig.file.abandon()


async def test_the_first_event_after_a_quiet_time_is_saved_at_once(rig):
    await rig.submit()

    assert await rig.saved() == 1


async def test_events_that_follow_closely_are_saved_together_when_the_time_has_come(rig):
    for _ in range(3):
        await rig.submit()
    assert (await rig.saved(), rig.engine.checkpoint) == (1, 3)

    rig.clock.advance(limits.VIEW_SAVE_EVERY_S)
    await rig.engine.run_once()

    assert await rig.saved() == 3


async def test_the_wait_ends_when_a_save_is_due(rig):
    await rig.submit()
    await rig.submit()
    rig.clock.advance(limits.VIEW_SAVE_EVERY_S)

    await rig.engine.wait()
    await rig.engine.run_once()

    assert await rig.saved() == 2


async def test_a_stop_saves_what_was_folded(rig):
    await rig.submit()
    await rig.submit()

    await rig.engine.close()

    assert await rig.saved() == 2


async def test_what_a_failed_save_forgot_is_folded_again_in_the_next_round(rig, monkeypatch):
    await rig.submit()
    await rig.submit()
    rig.clock.advance(limits.VIEW_SAVE_EVERY_S)
    save = rig.views.save

    async def fails(*args, **options):
        raise ViewsUnavailable("no")

    monkeypatch.setattr(rig.views, "save", fails)
    with pytest.raises(ViewsUnavailable):
        await rig.engine.run_once()
    monkeypatch.setattr(rig.views, "save", save)

    rig.clock.advance(limits.VIEW_SAVE_EVERY_S)
    await rig.engine.run_once()

    assert (await rig.saved(), rig.engine.checkpoint) == (2, 2)


async def test_the_history_is_caught_up_although_the_first_look_failed(rig, monkeypatch):
    await rig.engine.close()
    await rig.store.submit([new_job(rig.ids)])
    load = rig.views.load

    async def fails(name):
        raise ViewsUnavailable("no")

    monkeypatch.setattr(rig.views, "load", fails)
    with pytest.raises(ViewsUnavailable):
        await rig.engine.run_once()
    monkeypatch.setattr(rig.views, "load", load)

    await rig.engine.run_once()

    assert await rig.saved() == 1
