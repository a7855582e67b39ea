"""The whole system on a real PostgreSQL, as a role that may only do what it needs."""

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from tests.chaos_postgres.application import APP, CHECKSUM, STARTS_VARIABLE
from tests.chaos_postgres.starts import attempts_in, differences, starts_in
from tests.chaos_postgres.sums import Sums, halves_of
from tests.chaos_postgres.system import GATEWAYS, System
from tests.e2e.process import PROGRAM, ROOT, odd
from tests.servers.postgres import USER, PrivatePostgres

S_MAX = 30.0
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def rights(name: str, app: str = "jobs_app", owner: str = "jobs_owner") -> list[tuple[str, list[str]]]:
    """By whom, and the statements by which docs/operations.md gives *owner* and *app* their rights in *name*."""
    text = OPERATIONS.read_text(encoding="utf-8")
    text = text[text.index("**Rights.**") : text.index("**Is everything there?**")]
    text = text.replace("jobs_app", app).replace("jobs_owner", owner).replace("DATABASE jobs ", f"DATABASE {name} ")
    blocks = [block.partition("```")[0] for block in text.split("```sql\n")[1:]]
    assert len(blocks) == 2
    statements = [[one.strip() for one in block.split(";") if one.strip()] for block in blocks]
    return list(zip((USER, owner), statements, strict=True))


def grant(server: PrivatePostgres, name: str, by: str, statements: list[str]) -> None:
    for statement in statements:
        server.execute(statement, database=name, user=by)


@pytest.fixture(scope="module")
def server(postgres_server: PrivatePostgres) -> Generator[PrivatePostgres]:
    """One of its own, because it is stopped. The fixture of all tests says how to get the package, if it is missing."""
    with PrivatePostgres() as own:
        yield own


@pytest.fixture(scope="module")
def system(server: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Generator[System]:
    url, folder = server.create_database("jobs"), tmp_path_factory.mktemp("system")
    at_first, then = rights("jobs")
    grant(server, "jobs", *at_first)
    migrated = odd(folder / "data", "migrate", POSTGRES_URL=url.replace("observatory@", "jobs_owner@"))
    assert migrated.returncode == 0, migrated.stderr
    grant(server, "jobs", *then)
    log = str(folder / "starts")
    system = System(folder, url.replace("observatory@", "jobs_app@"), app=APP, **{STARTS_VARIABLE: log})
    yield system
    system.stop()


def run(system: System, *words: str) -> Any:
    return odd(system.data_dir, *words, POSTGRES_URL=system.environ["POSTGRES_URL"])


def until(seconds: float, holds: Any) -> None:
    """Fail unless it comes true in so many seconds, the look that sees it included."""
    began_s = time.monotonic()
    while True:
        is_true = holds()
        assert time.monotonic() - began_s < seconds, "it did not come true in time"
        if is_true:
            return
        time.sleep(0.02)


def submit(system: System, body: dict[str, Any], *, gateway: str = "gateway") -> httpx2.Response:
    token = (system.data_dir / "token").read_text(encoding="utf-8").strip()
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.post(f"{system.urls[gateway]}/jobs", json=body, headers=headers, timeout=20)


def test_a_job_runs_and_its_history_is_whole(system: System) -> None:
    done = run(system, "submit", "checksum", f"path={Path(PROGRAM[0]).resolve()}", "--wait")

    assert done.returncode == 0, done.stderr
    [job] = system.get("/jobs?type=checksum")["items"]
    events = system.get(f"/jobs/{job['id']}/events")["items"]
    assert [event["sequence"] for event in events] == [1, 2, 3, 4]
    assert job["status"] == "COMPLETED"
    until(S_MAX, lambda: system.get("/stats")["completedJobs"] == 1)
    assert system.get("/stats")["source"] == "postgres"


def test_the_example_through_two_gateways_is_what_sha256sum_says_and_every_start_is_recorded(
    system: System, tmp_path: Path
) -> None:
    halves = halves_of(str(ROOT / "src"), 40, tmp_path / "tree")
    sums = [Sums(name, system, system.urls[name], half, tmp_path) for name, half in zip(GATEWAYS, halves, strict=True)]
    for one in sums:
        one.stopped.set()
        one.start()
    for one in sums:
        one.join()
    system.until_quiet()

    events = [event for event in system.events() if event["payload"]["type"] == CHECKSUM]
    starts, attempts = starts_in(system.data_dir.parent / "starts"), list(attempts_in(events))
    assert [one.wrong for one in sums] == [[], []]
    assert len(starts) == len(attempts) == sum(one.lines for one in sums) == 40
    assert differences(starts, attempts, system.pid_by_worker(), []) == []


def test_the_same_key_at_the_other_gateway_finds_the_first_job(system: System) -> None:
    body = {"type": "sleep", "payload": {"seconds": 0}, "idempotencyKey": "one"}

    first, second = submit(system, body), submit(system, body, gateway="gateway 2")

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_a_job_that_waits_says_why(system: System) -> None:
    job_id = submit(system, {"type": "nobody.knows"}).json()["id"]

    assert system.get(f"/jobs/{job_id}/explain")["code"] == "type_never_announced"


def test_while_the_database_is_away_it_says_so_and_everything_resumes_by_itself(
    system: System, server: PrivatePostgres
) -> None:
    running = submit(system, {"type": "sleep", "payload": {"seconds": 2}}).json()["id"]
    until(S_MAX, lambda: system.get(f"/jobs/{running}")["status"] == "EXECUTING")
    server.kill()

    until(2.0, lambda: httpx2.get(system.urls["gateway"] + "/readyz", timeout=5).status_code == 503)
    refused = submit(system, {"type": "sleep", "payload": {"seconds": 0}})
    time.sleep(2.5)  # the handler ends meanwhile
    server.start()

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    until(S_MAX, lambda: submit(system, {"type": "sleep", "payload": {"seconds": 0}}).status_code == 201)
    until(S_MAX, lambda: system.get(f"/jobs/{running}")["status"] == "COMPLETED")
    assert system.get(f"/jobs/{running}")["attempt"] == 1, "a result that was there is not lost"
    until(S_MAX, lambda: httpx2.get(system.urls["gateway"] + "/readyz", timeout=5).status_code == 200)


def test_the_rights_are_no_more_than_that(system: System, server: PrivatePostgres) -> None:
    for statement in (
        "CREATE TABLE observatory.mine (n int)",
        "UPDATE observatory.migrations SET works_with = 1",
        "DROP TABLE observatory.types",
        "CREATE SCHEMA mine",
        "TRUNCATE observatory.jobs",
    ):
        with pytest.raises(asyncpg.PostgresError, match=r"permission denied|must be owner"):
            server.execute(statement, database="jobs", user="jobs_app")


def test_what_a_later_migration_makes_is_theirs_too(system: System, server: PrivatePostgres) -> None:
    server.execute("CREATE TABLE observatory.later (n int)", database="jobs", user="jobs_owner")

    server.execute("INSERT INTO observatory.later VALUES (1)", database="jobs", user="jobs_app")

    server.execute("DROP TABLE observatory.later", database="jobs", user="jobs_owner")


def test_the_audit_is_clean_while_it_runs_and_afterwards(system: System) -> None:
    assert run(system, "audit").returncode == 0

    assert system.stop() == 0
    assert run(system, "audit").returncode == 0
