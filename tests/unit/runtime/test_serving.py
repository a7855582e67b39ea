"""One role from start to stop: what it answers while its database is away, and what it refuses to begin on."""

import asyncio
import dataclasses
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from observatory.core.errors import BadSettings, StoreUnavailable
from observatory.core.explain.elsewhere import SHARED_LOOPS
from observatory.core.worker import WorkerInfo
from observatory.runtime import serving
from observatory.runtime.ports import Ports
from observatory.runtime.ports.sqlite import open_file, sqlite_ports
from observatory.runtime.roles import Role
from observatory.runtime.schema import Schema, SchemaTooOld
from observatory.runtime.settings import Settings
from observatory.runtime.sources import Sources
from observatory.runtime.step import Step

S_MAX = 20.0
PORTS = {"gateway_port": 0, "read_model_port": 0, "web_port": 0}
ROLES_WITH_DATA = [role for role in Role if role is not Role.WEB]


class Database:
    """A file in the place of the database, which may be away or have another schema."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_away = False
        self.schema = Schema(place="the database", number=7, newest=7)
        self.is_closed = False

    def open(self, settings: Settings, sources: Sources, *, role: str) -> Ports:
        ports = sqlite_ports(open_file(self.path)[0], sources)

        async def check() -> None:
            self.answer()
            await ports.check()

        async def close() -> None:
            await ports.close()
            self.is_closed = True

        return dataclasses.replace(ports, check=check, close=close)

    async def schema_of(self, settings: Settings) -> Schema:
        self.answer()
        return self.schema

    def answer(self) -> None:
        if self.is_away:
            raise StoreUnavailable("it is away")


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database(tmp_path / "shared.db")
    monkeypatch.setattr(serving, "open_shared", database.open)
    monkeypatch.setattr(serving, "schema_of", database.schema_of)
    return database


class Playing:
    """A role that runs in this process."""

    def __init__(self, role: Role, settings: Settings) -> None:
        self.steps: list[Step] = []
        self.stop = asyncio.Event()
        self.running = asyncio.create_task(serving.run_role(role, settings, say=self.steps.append, stop=self.stop))

    async def said(self, count: int) -> None:
        async with asyncio.timeout(S_MAX):
            while len(self.steps) < count:
                if self.running.done():
                    self.running.result()
                await asyncio.sleep(0.01)

    async def get(self, path: str, method: str = "GET") -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False) as client:
            return await client.request(method, self.steps[0].text + path)


def settings_in(folder: Path, **changes: Any) -> Settings:
    given = {"data_dir": folder / "data", "postgres_url": "postgresql://db/jobs", **PORTS, "slots": 2, **changes}
    return Settings(**given)


@pytest.fixture
async def play(tmp_path: Path, database: Database) -> AsyncGenerator[Any]:
    begun: list[Playing] = []

    def begin(role: Role) -> Playing:
        changes = {"gateway_port": 3000, "read_model_port": 8080} if role is Role.WEB else {}
        begun.append(Playing(role, settings_in(tmp_path, **changes)))
        return begun[-1]

    yield begin
    for playing in begun:
        playing.stop.set()
        await asyncio.gather(playing.running, return_exceptions=True)


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_says_what_and_where_and_answers_for_its_health(role: Role, play: Any) -> None:
    playing = play(role)
    await playing.said(2)

    assert playing.steps[0].name == role.value
    assert playing.steps[1].text.startswith("ready in ")
    answers = {path: await playing.get(path) for path in ("/healthz", "/readyz", "/metrics")}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert answers["/readyz"].json()["service"] == role.value
    assert f'service="{role.value}"' in answers["/metrics"].text


@pytest.mark.parametrize("role", ROLES_WITH_DATA)
async def test_while_the_database_is_away_it_lives_is_not_ready_and_begins_by_itself(
    role: Role, play: Any, database: Database
) -> None:
    database.is_away = True
    playing = play(role)
    await playing.said(1)

    assert (await playing.get("/healthz")).status_code == 200
    ready = await playing.get("/readyz")
    assert ready.status_code == 503
    assert [(check["name"], check["reason"]) for check in ready.json()["checks"]] == [
        ("job_store", "store_unavailable")
    ]

    database.is_away = False
    await playing.said(2)

    assert (await playing.get("/readyz")).status_code == 200


async def test_the_page_is_served_while_the_database_is_away_and_opens_nothing(play: Any, database: Database) -> None:
    database.is_away = True
    playing = play(Role.WEB)
    await playing.said(2)

    assert (await playing.get("/readyz")).status_code == 200
    assert "<html" in (await playing.get("/")).text
    assert not database.path.exists()


async def test_what_it_serves_is_refused_with_503_until_it_has_begun(play: Any, database: Database) -> None:
    database.is_away = True
    playing = play(Role.GATEWAY)
    await playing.said(1)

    for method, path in (("POST", "/jobs"), ("GET", "/schedules"), ("GET", "/"), ("DELETE", "/schedules/x")):
        answer = await playing.get(path, method)
        assert answer.status_code == 503
        assert answer.json()["code"] == "not_begun"
        assert int(answer.headers["retry-after"]) > 0


async def test_a_stop_while_the_database_is_away_ends_it(play: Any, database: Database) -> None:
    database.is_away = True
    playing = play(Role.PROCESSOR)
    await playing.said(1)

    playing.stop.set()
    async with asyncio.timeout(S_MAX):
        await playing.running

    assert database.is_closed


@pytest.mark.parametrize("number", [0, 6])
@pytest.mark.parametrize("role", ROLES_WITH_DATA)
async def test_a_schema_that_must_be_migrated_is_refused_with_the_command(
    role: Role, number: int, play: Any, database: Database
) -> None:
    database.schema = dataclasses.replace(database.schema, number=number)

    with pytest.raises(SchemaTooOld) as refused:
        await play(role).running

    assert "odd-dashboard migrate" in refused.value.remedy
    assert database.is_closed


@pytest.mark.parametrize("role", list(Role))
async def test_without_a_shared_database_no_role_runs_by_itself(role: Role, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, postgres_url=None)

    with pytest.raises(BadSettings, match="embedded data has one owner process"):
        await serving.run_role(role, settings, say=lambda _: None, stop=asyncio.Event())

    assert not settings.data_dir.exists()


@pytest.mark.parametrize("port", ["gateway_port", "read_model_port"])
async def test_the_page_is_not_served_without_the_ports_it_links_to(port: str, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, **{"gateway_port": 3000, "read_model_port": 8080, port: 0})

    with pytest.raises(BadSettings, match="has to know where the others listen"):
        await serving.run_role(Role.WEB, settings, say=lambda _: None, stop=asyncio.Event())


async def test_roles_of_one_host_share_the_token_and_none_holds_the_folder(play: Any, tmp_path: Path) -> None:
    both = [play(Role.GATEWAY), play(Role.READ_MODEL)]
    for playing in both:
        await playing.said(2)

    names = {path.name for path in (tmp_path / "data").iterdir()}
    assert names == {"token"}


async def test_each_start_is_a_new_instance(play: Any, database: Database) -> None:
    for _ in range(2):
        playing = play(Role.PROCESSOR)
        await playing.said(2)
        playing.stop.set()
        await playing.running

    assert len({worker.instance_id for worker in await heard_of(database)}) == 2


async def heard_of(database: Database) -> list[WorkerInfo]:
    file, _ = open_file(database.path)
    ports = sqlite_ports(file, serving.system_sources())
    processes = await ports.queries.processes()
    await ports.close()
    return processes


@pytest.mark.parametrize("role", [Role.MAINTENANCE, Role.METRICS_ENGINE])
async def test_what_works_for_all_says_what_it_runs_and_that_it_stops(
    role: Role, play: Any, database: Database
) -> None:
    playing = play(role)
    await playing.said(2)
    async with asyncio.timeout(S_MAX):
        while not (begun := await heard_of(database)):  # noqa: ASYNC110 — a row tells nobody that it is there
            await asyncio.sleep(0.01)
    playing.stop.set()
    await playing.running

    [before], [after] = begun, await heard_of(database)
    assert (before.role, before.is_processor, before.pid, before.slots) == (role, False, os.getpid(), 0)
    assert set(before.loops) & set(SHARED_LOOPS)
    assert before.instance_id == after.instance_id
    assert (before.is_draining, after.is_draining) == (False, True)
