"""The whole system behind a pooler that gives every transaction a session which nobody had before."""

import itertools
import json
import os
import signal
import time
from collections.abc import Callable, Generator
from typing import Any

import httpx2
import pytest

from tests.chaos_postgres.system import System
from tests.e2e.process import odd
from tests.e2e.test_postgres import grant, rights
from tests.servers.pgbouncer import PrivatePgBouncer
from tests.servers.postgres import PrivatePostgres

S_MAX = 30.0
APP, OWNER = "pooled_app", "pooled_owner"


@pytest.fixture(scope="module")
def pooler(postgres_server: PrivatePostgres, postgres_pooler: PrivatePgBouncer) -> Generator[PrivatePgBouncer]:
    with PrivatePgBouncer(postgres_server, users=[APP, OWNER], is_forgetful=True) as pooler:
        yield pooler


@pytest.fixture(scope="module")
def system(
    postgres_server: PrivatePostgres, pooler: PrivatePgBouncer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[System]:
    """Migrated through the pooler too; its processes have the least rights."""
    name, folder = "behind_a_pooler", tmp_path_factory.mktemp("pooled")
    postgres_server.create_database(name)
    pooled = {"ODD_POSTGRES_STATEMENT_CACHE": "0"}
    at_first, then = rights(name, APP, OWNER)
    grant(postgres_server, name, *at_first)
    migrated = odd(folder / "data", "migrate", **pooled, POSTGRES_URL=pooler.url(name, OWNER))
    assert migrated.returncode == 0, migrated.stderr
    grant(postgres_server, name, *then)
    system = System(folder, pooler.url(name, APP), **pooled)
    yield system
    system.stop()
    postgres_server.drop_database(name)
    postgres_server.execute(f"DROP ROLE {APP}, {OWNER}")


def run(system: System, *words: str, stdin: str = "") -> Any:
    """What the command said, from its JSON if it has some."""
    chosen = {name: system.environ[name] for name in ("POSTGRES_URL", "ODD_POSTGRES_STATEMENT_CACHE")}
    done = odd(system.data_dir, *words, stdin=stdin, **chosen)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout


def until(holds: Callable[[], bool], s_max: float = S_MAX) -> float:
    """How long it took to come true."""
    began_s = time.monotonic()
    while not holds():
        assert time.monotonic() - began_s < s_max, "it did not come true"
        time.sleep(0.02)
    return time.monotonic() - began_s


def test_jobs_go_all_the_way_by_looking(system: System) -> None:
    for number in range(3):
        assert run(system, "submit", "echo", f"first={number}", "--wait") == {"first": number}

    jobs = [job for job in system.get("/jobs?type=echo")["items"] if "first" in job["payload"]]
    assert [job["status"] for job in jobs] == ["COMPLETED"] * 3
    for job in jobs:
        until(lambda job=job: len(system.get(f"/jobs/{job['id']}/events")["items"]) == 4)
    until(lambda: system.get("/stats")["completedJobs"] >= 3)


def test_many_jobs_at_once_leave_the_outbox_in_order(system: System) -> None:
    token = (system.data_dir / "token").read_text(encoding="ascii").strip()
    jobs = [{"type": "sleep", "payload": {"seconds": 0}} for _ in range(200)]
    gateways = itertools.cycle([system.urls["gateway"], system.urls["gateway 2"]])

    until(lambda: system.get("/stats")["totalJobs"] == system.get("/stats")["completedJobs"])
    before = system.get("/stats")["completedJobs"]

    for _ in range(4):
        answer = httpx2.post(
            f"{next(gateways)}/jobs/batch", json=jobs[:50], headers={"Authorization": f"Bearer {token}"}, timeout=20
        )
        assert answer.status_code == 200, answer.text

    until(lambda: system.get("/stats")["completedJobs"] == before + 200)
    assert system.get("/stats")["position"] == 4 * (before + 200)


def test_a_schedule_fires(system: System) -> None:
    run(system, "schedules", "set", "often", "sleep", "seconds=0", "--every", "1s")

    until(lambda: system.get("/schedules")["items"][0]["counts"]["fired"] >= 2)
    run(system, "schedules", "delete", "often")


def test_the_stream_tells_by_looking(system: System) -> None:
    with httpx2.stream("GET", system.urls["read model"] + "/stream", timeout=S_MAX) as stream:
        lines = stream.iter_lines()
        job_id = run(system, "submit", "echo", "n=9", "--json")["id"]
        assert any("job.completed" in line and job_id in line for line in lines if line.startswith("data:"))


def test_a_pooler_that_is_killed_costs_no_job(system: System, pooler: PrivatePgBouncer) -> None:
    job_id = run(system, "submit", "sleep", "seconds=2", "--json")["id"]
    until(lambda: system.get(f"/jobs/{job_id}")["status"] == "EXECUTING")

    pooler.kill()
    until(lambda: httpx2.get(system.urls["gateway"] + "/readyz", timeout=5).status_code == 503)
    pooler.start()

    until(lambda: system.get(f"/jobs/{job_id}")["status"] == "COMPLETED")
    assert system.get(f"/jobs/{job_id}")["attempt"] == 1


def test_a_relay_that_is_killed_holds_nothing_back(system: System) -> None:
    (maintenance,) = system.pids("maintenance")
    os.kill(maintenance, signal.SIGKILL)

    job_id = run(system, "submit", "echo", "n=5", "--json")["id"]

    until(lambda: [event["sequence"] for event in system.get(f"/jobs/{job_id}/events")["items"]] == [1, 2, 3, 4])


def test_the_audit_is_clean_while_it_runs_and_afterwards(system: System) -> None:
    run(system, "audit")

    assert system.stop() == 0
    run(system, "audit")
    said = system.log.read_text(encoding="utf-8")
    assert "Traceback" not in said
