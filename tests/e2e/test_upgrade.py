"""A next release comes while this one works: `migrate` as a process that is killed, started twice, and held up."""

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from observatory.cli.exit_codes import ExitCode
from observatory.core import limits
from observatory.engine.migrations import Migration
from observatory.engine.postgres_database import PostgresDatabase
from observatory.engine.postgres_migrations import migrate
from tests.chaos_postgres.application import APP, STARTS_VARIABLE
from tests.chaos_postgres.judgement import faults_of
from tests.chaos_postgres.submitters import Submitter, accepted_in
from tests.chaos_postgres.system import GATEWAYS, System
from tests.e2e.process import ROOT, environment
from tests.migration.next_schema import ADDITIONS, ADDITIVE, CURRENT, REMOVING, planted, works_with, write
from tests.migration.schemas import Schema, schema_of
from tests.servers.postgres import PrivatePostgres

S_MAX = 30.0
STALL = 4711
STALLED = f"SELECT pg_advisory_xact_lock({STALL});"
ROWS = """
INSERT INTO observatory.jobs (id, type, status, queue, priority, run_at, max_attempts, timeout_seconds, created_at,
    updated_at, event_id, correlation_id, fingerprint, payload)
SELECT n::text, 'echo', 'PENDING', 'default', 5, now(), 3, 60, now(), now(), n::text, n::text, '', '{}'
FROM generate_series(1, 200) AS n
"""
CONTENT = "SELECT count(*), md5(string_agg(id || payload || created_at::text, ',' ORDER BY id)) FROM observatory.jobs"

_number = itertools.count(1)


class Database:
    """One database, and the `migrate` of a release on it."""

    def __init__(self, server: PrivatePostgres, folder: Path) -> None:
        self.server, self.folder, self.name = server, folder, f"upgraded_{next(_number)}"
        self.url = server.create_database(self.name)
        self.begun: list[subprocess.Popen[str]] = []

    def begin(self, migrations: list[Migration], *words: str) -> subprocess.Popen[str]:
        """`odd-dashboard WORDS` of the release that has *migrations*."""
        files = self.folder / f"migrations-{len(migrations)}"
        if not files.exists():
            write(files, migrations)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.migration.next_schema", str(files), *words],
            cwd=ROOT,
            env=environment(self.folder / "data") | {"POSTGRES_URL": self.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.begun.append(process)
        return process

    def run(self, migrations: list[Migration], *words: str) -> tuple[int, str, str]:
        """Its exit code, and what it said on both streams."""
        return ended(self.begin(migrations, *words))

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.server.execute(statement, database=self.name)]

    def numbers(self) -> list[int]:
        return [number for (number,) in self.ask("SELECT number FROM observatory.migrations ORDER BY number")]

    def waiting(self) -> int:
        """Sessions that wait for a lock."""
        waiting = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{self.name}' AND wait_event_type = 'Lock'"
        return self.ask(waiting)[0][0]

    def is_left(self) -> bool:
        others = f"SELECT FROM pg_stat_activity WHERE datname = '{self.name}' AND pid <> pg_backend_pid()"
        return not self.ask(others)

    async def bring_to(self, migrations: Sequence[Migration]) -> Schema | None:
        """The schema then; None when there is none."""
        database = PostgresDatabase(self.url, service="test")
        await migrate(database, list(migrations))
        await database.close()
        return await self.schema() if migrations else None

    async def schema(self) -> Schema:
        async with self.connected() as connection:
            return await schema_of(connection)

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncGenerator[Any]:
        connection = await asyncpg.connect(self.url)
        try:
            yield connection
        finally:
            connection.terminate()

    @contextlib.asynccontextmanager
    async def holding(self, statement: str) -> AsyncGenerator[None]:
        """Keep what *statement* locks until the block ends."""
        async with self.connected() as connection:
            await connection.execute(f"BEGIN; {statement}")
            yield
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # the server was killed
                await connection.execute("ROLLBACK")


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=S_MAX)
    return process.returncode, out, err


def until(holds: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + S_MAX
    while not holds():
        assert time.monotonic() < ends_s, "it did not come true"
        time.sleep(0.02)


def names(migrations: Sequence[Migration]) -> list[str]:
    return [f"applied {migration.number:03} {migration.name}" for migration in migrations]


@pytest.fixture(scope="module")
def own_server(postgres_server: PrivatePostgres) -> Generator[PrivatePostgres]:
    """One that is killed."""
    with PrivatePostgres() as server:
        yield server


@pytest.fixture
def made(tmp_path: Path) -> Generator[Callable[[PrivatePostgres], Database]]:
    all_made: list[Database] = []

    def make(server: PrivatePostgres) -> Database:
        all_made.append(Database(server, tmp_path))
        return all_made[-1]

    yield make
    for database in all_made:
        for process in database.begun:
            process.kill()
            process.communicate()
        database.server.drop_database(database.name)


@pytest.fixture
def database(made: Callable[[PrivatePostgres], Database], postgres_server: PrivatePostgres) -> Database:
    return made(postgres_server)


@pytest.mark.parametrize("number", [migration.number for migration in CURRENT])
async def test_a_migrate_that_is_killed_leaves_the_schema_before_and_the_next_goes_on_from_there(
    database: Database, made: Callable[[PrivatePostgres], Database], number: int
) -> None:
    before = await database.bring_to(CURRENT[: number - 1])
    if before is not None:
        await asyncio.to_thread(database.ask, ROWS)
        content = database.ask(CONTENT)
        stall = "LOCK TABLE observatory.migrations IN SHARE MODE"  # everything is done but the note of it
    else:
        stall = "CREATE SCHEMA observatory"

    async with database.holding(stall):
        process = database.begin(CURRENT, "migrate")
        until(lambda: database.waiting() == 1)
        process.kill()
        process.wait()
    until(database.is_left)

    if before is not None:
        assert await database.schema() == before
        assert database.numbers() == list(range(1, number))
    code, out, err = database.run(CURRENT, "migrate")
    assert (code, out.splitlines(), err) == (0, names(CURRENT[number - 1 :]), "")
    assert database.numbers() == list(range(1, len(CURRENT) + 1))
    assert await database.schema() == await made(database.server).bring_to(CURRENT)
    if before is not None:
        assert database.ask(CONTENT) == content


@pytest.mark.parametrize("place", range(len(ADDITIONS) + 1))
@pytest.mark.parametrize("victim", ["migrate", "server"])
async def test_a_kill_between_two_statements_of_a_migration_leaves_none_of_them(
    made: Callable[[PrivatePostgres], Database], own_server: PrivatePostgres, victim: str, place: int
) -> None:
    database = made(own_server)
    before = await database.bring_to(CURRENT)
    database.ask(ROWS)
    content = database.ask(CONTENT)
    parts = [*ADDITIONS[:place], STALLED, *ADDITIONS[place:]]
    migrations = planted(works_with(len(CURRENT), "\n".join(parts)))

    async with database.holding(STALLED):
        process = database.begin(migrations, "migrate")
        until(lambda: database.waiting() == 1)
        (process if victim == "migrate" else own_server).kill()
        code, _, err = ended(process)
    if victim == "server":
        own_server.start()
        assert code == ExitCode.NOT_REACHABLE
        assert "PostgreSQL" in err
    until(database.is_left)

    assert await database.schema() == before
    assert database.run(migrations, "migrate") == (0, f"applied 008 {migrations[-1].name}\n", "")
    assert database.numbers() == list(range(1, len(migrations) + 1))
    assert await database.schema() == await made(own_server).bring_to(planted(ADDITIVE))
    assert database.ask(CONTENT) == content


async def test_of_two_at_once_each_migration_is_applied_by_one(database: Database) -> None:
    await database.bring_to(CURRENT[:1])

    async with database.holding("LOCK TABLE observatory.migrations IN SHARE MODE"):
        both = [database.begin(CURRENT, "migrate") for _ in range(2)]
        until(lambda: database.waiting() == 2)
    outcomes = [ended(process) for process in both]

    assert [code for code, _, _ in outcomes] == [0, 0]
    said = [line for _, out, _ in outcomes for line in out.splitlines() if line.startswith("applied")]
    assert sorted(said) == names(CURRENT[1:])
    assert database.numbers() == list(range(1, len(CURRENT) + 1))


async def test_a_migration_that_waits_for_a_table_lets_everybody_else_work(database: Database) -> None:
    await database.bring_to(CURRENT)
    migrations = planted(works_with(len(CURRENT), ADDITIVE))

    async with database.holding("SELECT FROM observatory.jobs"), database.connected() as other:  # as an audit does
        process = database.begin(migrations, "migrate")
        until(lambda: database.waiting() == 1)
        ends_s = time.monotonic() + limits.POSTGRES_LOCK_S_MAX + 1
        await other.execute(f"SET lock_timeout = '{limits.POSTGRES_LOCK_S_MAX}s'")
        while time.monotonic() < ends_s:
            await other.fetch("SELECT FROM observatory.jobs")
        assert process.poll() is None

    code, out, err = ended(process)
    assert (code, out) == (0, f"applied 008 {migrations[-1].name}\n")
    assert "migration_waits" in err


async def test_the_next_release_refuses_a_schema_that_it_must_migrate_first(database: Database) -> None:
    await database.bring_to(CURRENT)

    code, _, err = database.run(planted(works_with(len(CURRENT), ADDITIVE)), "serve", "gateway", "--gateway-port", "0")

    assert code == 1
    assert "has schema 7, this release works with 8" in err
    assert "bring it forward:  odd-dashboard migrate" in err


async def test_the_system_works_through_a_migration_and_says_so_when_one_ends_it(database: Database) -> None:
    system = System(database.folder, database.url, app=APP, **{STARTS_VARIABLE: str(database.folder / "starts")})
    accepted = database.folder / "accepted"
    gateways = [system.urls[name] for name in GATEWAYS]
    submitter = Submitter(
        "one", gateways, token=system.token, accepted=accepted, seed=1, wants_more=lambda: system.waiting() < 10
    )
    submitter.start()
    try:
        until(lambda: submitter.outcomes["201"] > 20)
        adding = planted(works_with(len(CURRENT), ADDITIVE))
        assert database.run(adding, "migrate")[0] == 0
        after = submitter.outcomes["201"]
        for role in (
            "processor",
            "maintenance",
            "metrics-engine",
        ):  # begun again on a later schema
            os.kill(system.pids(role)[0], signal.SIGKILL)
        until(lambda: submitter.outcomes["201"] > after + 20)
        submitter.stopped.set()
        submitter.join(S_MAX)
        system.until_quiet()
        assert set(submitter.outcomes) == {"201"}
        assert faults_of(system.events(), accepted_in(accepted), 0) == []
        assert system.audit().returncode == 0

        assert database.run([*adding, Migration(len(adding) + 1, "removing", REMOVING)], "migrate")[0] == 0
        until(lambda: httpx2.get(system.urls["gateway"] + "/readyz", timeout=5).status_code == 503)
        (down,) = [
            check for check in httpx2.get(system.urls["gateway"] + "/readyz").json()["checks"] if not check["isUp"]
        ]
        assert (down["name"], down["reason"]) == ("job_store", "data_too_new")
        code, _, err = database.run(CURRENT, "serve", "gateway", "--gateway-port", "0")
        assert code == 1
        assert "its schema is 9, and this release works up to 7" in err
        assert "install that release or a later one" in err
    finally:
        submitter.stopped.set()
        system.stop()
