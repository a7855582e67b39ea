"""
A gateway that dies between its commit and its reply, staged: the database has the job, and nobody was told.

The reply of the statement that accepts the job is held on its way from the database to the gateway.
"""

import contextlib
import json
import subprocess
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.process import PROGRAM, ROOT, environment, odd
from tests.servers.fault_plan import Fault, Rule
from tests.servers.fault_proxy import FaultProxy
from tests.servers.postgres import PrivatePostgres
from tests.servers.postgres_conversation import PostgresConversation

S_MAX = 30.0
DATABASE = "gateway_killed"
ACCEPTS = "insert into observatory.jobs"
BODY = {"type": "echo", "payload": {"n": 1}, "idempotencyKey": "order-1"}


class Gateway:
    """One `serve gateway`, ready."""

    def __init__(self, data_dir: Path, url: str, port: int) -> None:
        self.token_file = data_dir / "token"
        self.process = subprocess.Popen(
            [*PROGRAM, "serve", "gateway", "--json", "--gateway-port", str(port)],
            cwd=ROOT, env=environment(data_dir) | {"POSTGRES_URL": url}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.url = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            step = json.loads(line)
            self.url = step["text"] if step["text"].startswith("http") else self.url
            if step["text"].startswith("ready in "):
                return
        raise AssertionError(f"it ended with {self.process.wait()}")

    def submit(self) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token_file.read_text(encoding='utf-8').strip()}"}
        return httpx2.post(f"{self.url}/jobs", json=BODY, headers=headers, timeout=S_MAX)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def url(postgres_server: PrivatePostgres, tmp_path: Path) -> Generator[str]:
    url = postgres_server.create_database(DATABASE)
    migrated = odd(tmp_path, "migrate", POSTGRES_URL=url)
    assert migrated.returncode == 0, migrated.stderr
    yield url
    postgres_server.drop_database(DATABASE)


@contextlib.contextmanager
def gateway(data_dir: Path, url: str, *, port: int = 0) -> Generator[Gateway]:
    """Killed at the end of the block. *port* 0 is a free one."""
    one = Gateway(data_dir, url, port)
    try:
        yield one
    finally:
        one.kill()


def outcome_of(submit: Any) -> tuple[threading.Thread, list[Any]]:
    """The submit under way in a thread, and where its answer or its error will be."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(submit())
        except httpx2.TransportError as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, outcome


def test_a_job_committed_by_a_gateway_that_is_killed_before_its_reply_is_found_by_its_key_at_every_gateway(
    url: str, postgres_server: PrivatePostgres, tmp_path: Path
) -> None:
    with FaultProxy(postgres_server.port, PostgresConversation) as proxy, gateway(tmp_path, url) as other:
        through_proxy = postgres_server.url(DATABASE, port=proxy.port)
        with gateway(tmp_path, through_proxy) as killed:
            proxy.plan.add(Rule(fault=Fault.HOLD_REPLY, match=ACCEPTS))
            asking, outcome = outcome_of(killed.submit)
            until(lambda: proxy.faults[Fault.HOLD_REPLY] == 1)
            committed = postgres_server.execute("SELECT id, idempotency_key FROM observatory.jobs", database=DATABASE)
            assert asking.is_alive()
        asking.join(S_MAX)

        elsewhere = other.submit()
        with gateway(tmp_path, through_proxy, port=int(killed.url.rpartition(":")[2])) as restarted:
            again = restarted.submit()

    [(job_id, key)] = committed
    assert key == BODY["idempotencyKey"]
    assert isinstance(outcome[0], httpx2.TransportError), outcome
    for answer in (elsewhere, again):
        assert (answer.status_code, answer.headers["Idempotency-Replayed"]) == (200, "true")
        assert answer.json()["id"] == str(job_id)
    assert postgres_server.execute("SELECT count(*) FROM observatory.jobs", database=DATABASE)[0][0] == 1


def until(holds: Any) -> None:
    waiting = threading.Event()
    for _ in range(int(S_MAX / 0.02)):
        if holds():
            return
        waiting.wait(0.02)
    raise AssertionError("it did not come true")
