"""A call that is made again costs nobody else anything."""

import asyncio
from pathlib import Path

import pytest

from observatory.core.event import Producer
from observatory.engine.inline_executor import InlineExecutor
from observatory.engine.migrations import load_migrations
from observatory.engine.sqlite_file import SqliteFile
from observatory.engine.writers import InlineWriter
from observatory.job_store.port import Submitted
from observatory.job_store.sqlite import MIGRATIONS, SqliteJobStore
from observatory.testing.factories import new_job
from observatory.testing.manual_sources import ManualClock, SeededIds


class CountingFile(SqliteFile):
    commits = 0

    def commit(self, connection):
        super().commit(connection)
        self.commits += 1


@pytest.mark.parametrize("size", [1, 2, 300])
async def test_a_repeated_one_shares_the_commit_of_its_group(tmp_path: Path, size: int) -> None:
    file = CountingFile(tmp_path / "observatory.db", writer=InlineWriter(), readers=InlineExecutor())
    file.migrate(load_migrations(MIGRATIONS))
    ids = SeededIds()
    producer = Producer(service="test", instance_id="t", version="0")
    store = SqliteJobStore(file, producer=producer, clock=ManualClock(), ids=ids)
    first = [new_job(ids) for _ in range(size)]
    await store.submit(first)
    file.commits = 0

    # The repeated one comes after new ones of its own call, some of them in another statement.
    calls = [[new_job(ids) for _ in range(size)] for _ in range(20)]
    calls[7] += first[-1:]
    answers = await asyncio.gather(*(store.submit(call) for call in calls))

    assert file.commits == 1
    for number, given in enumerate(answers):
        replays = [isinstance(answer, Submitted) and answer.is_replay for answer in given]
        assert replays == [False] * size + [True] * (number == 7)
    count = await file.read(lambda c: c.execute("SELECT count(*), (SELECT count(*) FROM events) FROM jobs").fetchone())
    assert count == (size * 21, size * 21)
    await file.close()
