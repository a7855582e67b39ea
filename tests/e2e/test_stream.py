"""The stream of the running system: floods, restarts, kills and stops."""

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from observatory.client.address import find_address
from observatory.client.api import Api
from observatory.client.following import Heard
from observatory.core import limits
from observatory.runtime.http_server import bind
from observatory.runtime.sources import SystemClock
from tests.e2e.process import Up

WAIT_S_MAX = 60.0
LEAVES_S_MAX = 1.0
"""Half of what the server grants an answer that does not end: no stream may be waited for."""
MIB = 1024 * 1024


@contextmanager
def deaf(up: Up, count: int, *, after: int | None = None) -> Iterator[None]:
    """That many clients that open the stream and never read a byte of it."""
    host, _, port = up.url("read model").removeprefix("http://").rpartition(":")
    query = "" if after is None else f"?after={after}"
    with ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((host, int(port)))
            client.sendall(f"GET /stream{query} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        until_open(up, count)
        yield


def metric(up: Up, name: str) -> float:
    text = up.get_text("/metrics")
    return float(next(line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(name + " ")))


def until_open(up: Up, count: int) -> None:
    end_s = time.monotonic() + WAIT_S_MAX
    while metric(up, "odd_streams_open") < count:
        assert time.monotonic() < end_s, f"{count} streams did not open"


class Listener:
    """A client in a thread of its own."""

    def __init__(self, up: Up, **asked: Any) -> None:
        self._api = Api(find_address(data_dir=up.data_dir, environ={}), clock=SystemClock())
        self._asked = asked
        self.heard: list[Heard] = []
        self.is_done = threading.Event()
        self._last: int | None = None
        self._has_moved = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        for one in self._api.follow(**self._asked):
            with self._has_moved:
                self.heard.append(one)
                self._has_moved.notify_all()

    def until(self, kind: str, position: int = 0) -> None:
        """Wait until such a thing was heard at that position or a later one."""

        def is_heard() -> bool:
            return any(one.kind == kind and (one.position or 0) >= position for one in self.heard)

        with self._has_moved:
            assert self._has_moved.wait_for(is_heard, WAIT_S_MAX), f"no {kind} at {position}: {self.heard[-3:]}"

    @property
    def jobs(self) -> list[int]:
        return [one.position or 0 for one in self.heard if one.kind == "job"]


def submit(up: Up, count: int, payload_bytes: int = 0) -> None:
    job = {"type": "echo", "payload": {"text": "a" * payload_bytes}}
    for begin in range(0, count, limits.BATCH_JOBS_MAX):
        some = min(limits.BATCH_JOBS_MAX, count - begin)
        up.post("/jobs/batch", [job] * some).raise_for_status()


def free_ports() -> tuple[str, ...]:
    """Ports that the next process can take again."""
    names = ("--gateway-port", "--read-model-port", "--web-port")
    taken = [bind("127.0.0.1", 0, purpose="test", setting="none") for _ in names]
    options = [word for name, one in zip(names, taken, strict=True) for word in (name, str(one.getsockname()[1]))]
    for one in taken:
        one.close()
    return tuple(options)


def caught_up(up: Up) -> dict[str, Any]:
    """The counters once they include everything: they are saved a moment after the events were relayed."""
    for _ in range(100):
        stats = up.get("/stats")
        if stats["lag"] == 0:
            return stats
        time.sleep(0.1)
    raise AssertionError(f"the counters lag behind: {stats}")


@pytest.mark.slow
def test_a_flood_of_clients_that_do_not_read_costs_bounded_memory_and_holds_up_nobody(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    jobs = 5_000
    listeners = [Listener(up, after=0) for _ in range(5)]
    for one in listeners:
        one.until("job", 4)
    process = psutil.Process(up.process.pid)
    before = process.memory_info().rss
    with deaf(up, 200):
        submit(up, jobs)
        for one in listeners:
            one.until("job", 4 * (jobs + 1))
        grown = process.memory_info().rss - before
        stats = caught_up(up)

    for one in listeners:
        assert one.jobs == list(range(1, 4 * (jobs + 1) + 1))
    assert (stats["completedJobs"], stats["lag"]) == (jobs + 1, 0)
    print(f"grown by {grown / MIB:.0f} MiB")
    assert grown < 200 * MIB, f"grown by {grown / MIB:.0f} MiB"
    assert up.stop() == 0


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_client_goes_on_without_a_gap_when_the_system_comes_back(tmp_path: Path, end: str) -> None:
    ports = free_ports()
    up = Up(tmp_path / "data", *ports).until_ready()
    listener = Listener(up, after=0)
    listener.until("job", 4)

    getattr(up, end)()
    listener.until("lost")
    up = Up(tmp_path / "data", *ports).until_ready()
    submit(up, 3)
    listener.until("job", 20)

    assert listener.jobs == list(range(1, 21))
    assert [one.kind for one in listener.heard].count("connected") == 2
    assert ("bye" in [one.kind for one in listener.heard]) == (end == "stop")
    assert up.stop() == 0


def test_a_stop_with_open_streams_is_quick_and_quiet_whether_they_read_or_not(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        up = Up(tmp_path / "data", log=log).until_ready()
        submit(up, 2_000, payload_bytes=4_000)
        with deaf(up, 4, after=0), deaf(up, 3):
            listeners = [Listener(up, after=0) for _ in range(3)]
            for one in listeners:
                one.until("job", 8_004)  # they and the deaf ones take turns, so that these are as far as they get
            began_s = time.monotonic()
            code = up.stop(signal.SIGTERM)
            took_s = time.monotonic() - began_s
        for one in listeners:
            one.until("bye", 8_004)

    assert code == 0
    print(f"took {took_s:.2f} s")
    assert took_s < LEAVES_S_MAX
    assert [one.reason for one in listeners[0].heard if one.kind == "bye"] == ["shutdown"]
    assert (tmp_path / "log").read_bytes() == b""


def test_a_stream_is_what_curl_shows(tmp_path: Path) -> None:
    """The same blocks as in the example of `docs/events.md`."""
    up = Up(tmp_path / "data").until_ready()
    job_id = up.get("/jobs")["items"][0]["id"]
    up.until_final(job_id)

    host, _, port = up.url("read model").removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_S_MAX) as client:
        client.sendall(f"GET /stream?jobId={job_id}&after=2 HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        up.until_final(job_id)
        until_open(up, 1)
        threading.Timer(0.1, up.stop).start()
        text = b"".join(iter(lambda: client.recv(65_536), b"")).decode()

    body = text.partition("\r\n\r\n")[2]
    blocks = [block.split("\n") for block in body.strip().split("\n\n")]
    assert blocks[0] == ["retry: 2000"]
    assert [block[:2] for block in blocks[1:]] == [
        ["id: 2", "event: checkpoint"],
        ["id: 3", "event: job"],
        ["id: 4", "event: job"],
        ["id: 4", "event: bye"],
    ]
    assert json.loads(blocks[3][2].removeprefix("data: "))["eventType"] == "job.completed"
