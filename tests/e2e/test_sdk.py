"""The SDK against the running system: broken connections, restarts, threads, forks, and handlers that submit."""

import asyncio
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from observatory import AsyncClient, Client, JobHandle, NotReachable, Observatory, RequestRefused
from tests.e2e.process import ROOT, Up, environment
from tests.servers.fault_plan import Fault, Rule
from tests.servers.fault_proxy import FaultProxy
from tests.servers.http_conversation import HttpConversation
from tests.unit.sdk import shop

APP = ("--app", "tests.unit.sdk.shop:app")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[Up]:
    folder = tmp_path_factory.mktemp("sdk")
    up = Up(folder / "elsewhere", "--data-dir", str(folder / "data"), *APP).until_ready()
    up.data_dir = folder / "data"
    yield up
    up.kill()


@pytest.fixture
def client(running: Up) -> Generator[Client]:
    with Client(data_dir=str(running.data_dir)) as client:
        yield client


def losing_answers(up: Up, count: int) -> FaultProxy:
    """A way to the gateway that does what it is asked and loses the first answers."""
    rule = Rule(fault=Fault.CUT_REPLY, count=count)
    return FaultProxy(int(up.url("gateway").rpartition(":")[2]), HttpConversation, [rule])


@pytest.mark.parametrize("cuts", [1, 3])
def test_a_submit_whose_answer_is_lost_is_repeated_and_makes_one_job(running: Up, client: Client, cuts: int) -> None:
    label = f"cut-{cuts}"
    with losing_answers(running, cuts) as proxy:
        cut_off = Client(proxy.url, data_dir=str(running.data_dir))
        handle = cut_off.submit("thumbnail", {"path": label})
        cut_off.close()

    assert proxy.forwarded["POST /jobs"] == cuts + 1
    assert [job["id"] for job in client.jobs(type="thumbnail").items if job["payload"]["path"] == label] == [handle.id]
    assert client.wait(handle.id)["result"]["attempt"] == 1


def test_many_whose_answer_is_lost_are_repeated_and_make_one_job_each(running: Up, client: Client) -> None:
    correlation = "0192d0a0-0000-7000-8000-00000000c071"
    requests = [
        client.request("thumbnail", {"path": str(number)}, correlation_id=correlation) for number in range(50)
    ]  # fmt: skip
    with losing_answers(running, 2) as proxy:
        cut_off = Client(proxy.url, data_dir=str(running.data_dir))
        submissions = cut_off.submit_many(requests)
        cut_off.close()

    assert proxy.forwarded == {"POST /jobs/batch": 3}
    stored = [job["id"] for job in client.jobs(correlation_id=correlation, count_max=500).items]
    assert stored[::-1] == [handle.id for handle in submissions.handles]


def test_a_lost_answer_is_repeated_by_coroutines_too(running: Up, client: Client) -> None:
    async def story(url: str) -> str:
        async with AsyncClient(url, data_dir=str(running.data_dir)) as cut_off:
            return (await cut_off.submit("thumbnail", {"path": "async"})).id

    with losing_answers(running, 1) as proxy:
        job_id = asyncio.run(story(proxy.url))

    found = [job["id"] for job in client.jobs(type="thumbnail").items if job["payload"]["path"] == "async"]
    assert found == [job_id]


def test_what_never_gets_an_answer_is_said_and_can_be_submitted_again(running: Up, client: Client) -> None:
    request = client.request("thumbnail", {"path": "given-up"})
    with losing_answers(running, 10_000) as proxy:
        cut_off = Client(proxy.url, data_dir=str(running.data_dir))
        with pytest.raises(NotReachable):
            cut_off.send(request)
        cut_off.close()
    assert proxy.faults[Fault.CUT_REPLY] > 3

    handle = client.send(request)

    assert [j["id"] for j in client.jobs(type="thumbnail").items if j["payload"]["path"] == "given-up"] == [handle.id]


@pytest.mark.parametrize("type", ["parent", "parent.async", "parent.process"])
def test_a_handler_submits_to_the_observatory_that_runs_it(client: Client, type: str) -> None:
    handle = client.submit(type, {"children": 1} if type == "parent" else {})

    result = handle.result(timeout_s=60)
    child = client.handle(result if isinstance(result, str) else result[0])
    assert child.result(timeout_s=60) == handle.job()["correlationId"]


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [({}, "/payload/path"), ({"path": 5}, "/payload/path"), ({"path": "a", "pth": 1}, "/payload")],
)
def test_the_gateway_holds_a_payload_to_the_annotations_of_its_handler(
    client: Client, payload: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(RequestRefused) as refusal:
        client.submit("thumbnail", payload)

    assert (refusal.value.status, refusal.value.pointer) == (400, pointer)


def test_sixteen_threads_share_one_application(running: Up) -> None:
    app = Observatory(data_dir=str(running.data_dir))
    app.include(shop.app)

    def one(number: int) -> tuple[int, Any]:
        return number, app.submit("order", queue=str(number)).result(timeout_s=60)[0]

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(one, range(64)))
    app.close()

    assert answers == [(number, str(number)) for number in range(64)]


FORKING = """
import json, os, sys
from tests.unit.sdk.shop import app

def orders(first):
    handles = [app.submit("order", queue=str(number)) for number in range(first, first + 20)]
    return [handle.result(timeout_s=60)[0] for handle in handles]

print(json.dumps(orders(0)), flush=True)  # the connection is open before the fork
children = []
for first in (100, 200, 300):
    pid = os.fork()
    if not pid:
        os.write(1, json.dumps(orders(first)).encode() + b"\\n")
        os._exit(0)
    children.append(pid)
print(json.dumps(orders(400)), flush=True)
sys.exit(max(os.waitpid(pid, 0)[1] for pid in children))
"""


def test_a_forked_worker_gets_its_own_answers(running: Up) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKING],
        cwd=ROOT, env=environment(running.data_dir), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    answers = sorted(json.loads(line) for line in done.stdout.splitlines())
    assert answers == sorted([str(number) for number in range(f, f + 20)] for f in (0, 100, 200, 300, 400))


def test_a_pickled_handle_is_used_by_another_process(running: Up, client: Client) -> None:
    handle = Client(data_dir=str(running.data_dir), token="a-token-that-stays-here").handle(
        client.submit("thumbnail", {"path": "p"}).id
    )
    pickled = pickle.dumps(handle)

    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).result(timeout_s=60)['name'])"
    done = subprocess.run([sys.executable, "-c", code], input=pickled, cwd=ROOT, capture_output=True, check=False)

    assert (done.returncode, done.stdout) == (0, b"p\n"), done.stderr
    assert b"a-token-that-stays-here" not in pickled
    again = pickle.loads(pickled)
    assert (again, isinstance(again, JobHandle)) == (handle, True)


def test_a_wait_goes_on_through_a_kill_and_a_start_at_other_addresses(tmp_path: Path) -> None:
    first = Up(tmp_path / "data", *APP).until_ready()
    client = Client(data_dir=str(first.data_dir))
    handle = client.submit("sleep", {"seconds": 2})
    answers: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: answers.append(handle.wait(timeout_s=60)))
    waiting.start()

    first.kill()
    second = Up(first.data_dir, *APP).until_ready()
    again = client.submit("thumbnail", {"path": "after"})
    waiting.join()

    assert second.url("gateway") != first.url("gateway")
    assert (answers[0]["id"], answers[0]["status"]) == (handle.id, "COMPLETED")
    assert again.result(timeout_s=60)["name"] == "after"
    client.close()
    second.kill()


def test_that_nothing_runs_is_said_at_once_with_the_command_that_starts_it(tmp_path: Path) -> None:
    app = Observatory(data_dir=str(tmp_path))
    app.include(shop.app)

    with pytest.raises(NotReachable) as refusal:
        app.submit("child")

    assert str(refusal.value) == "no observatory is running here"
    (note,) = refusal.value.__notes__
    assert str(tmp_path) in note
    assert "start it:  odd-dashboard up --app MODULE:APP" in note


def test_the_address_is_that_of_the_call_then_of_the_environment_then_of_the_folder(
    running: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (running.data_dir / "token").read_text(encoding="utf-8").strip()
    monkeypatch.setenv("ODD_DATA_DIR", str(tmp_path))
    with pytest.raises(NotReachable, match="no observatory"):
        Client().stats()

    monkeypatch.setenv("ODD_GATEWAY_URL", running.url("gateway"))
    by_environment = Client()
    assert by_environment.stats()["source"] == "sqlite"
    with pytest.raises(RequestRefused) as refusal:
        by_environment.submit("child")
    assert refusal.value.status == 401, "the token of another folder is not known"
    monkeypatch.setenv("ODD_TOKEN", token)
    assert Client().submit("child").result(timeout_s=60)

    monkeypatch.setenv("ODD_GATEWAY_URL", "http://127.0.0.1:1")
    assert Client(running.url("gateway"), token=token).submit("child").result(timeout_s=60)
    with pytest.raises(NotReachable, match="connection refused"):
        Client().stats()


def test_something_else_that_answers_is_not_taken_for_a_service(running: Up) -> None:
    with pytest.raises(RequestRefused) as refusal:
        Client(running.url("dashboard"), token="x" * 20).submit("child")

    assert refusal.value.status == 404
