"""The job types that ship with the package."""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from observatory.builtin_jobs import app
from observatory.core.job import Outcome
from observatory.processor.context import StopReason
from observatory.processor.ending import Ended, RetryWish
from observatory.processor.stopping import Stop
from tests.unit.processor.jobs import executing, runner_of


async def run(type: str, payload: dict[str, Any], stop: Stop | None = None) -> Ended:
    async with runner_of(app_spec="observatory.builtin_jobs:app") as runner:
        return await runner.run(app.handlers[type], executing(type, payload), stop=stop or Stop())


def test_there_are_four() -> None:
    assert sorted(app.handlers) == ["checksum", "echo", "fail", "sleep"]


async def test_echo_gives_any_payload_back() -> None:
    payload = {"ctx": 1, "payload": {"a": [None]}, "self": "x"}

    assert (await run("echo", payload)).result == payload


async def test_sleep_ends() -> None:
    assert (await run("sleep", {"seconds": 0})).outcome is Outcome.SUCCEEDED


async def test_sleep_is_cancelled_at_once() -> None:
    stop = Stop()
    running = asyncio.ensure_future(run("sleep", {"seconds": 3600}, stop))
    await asyncio.sleep(0)
    stop.ask(StopReason.CANCEL)

    assert (await running).outcome is Outcome.CANCELLED


@pytest.mark.parametrize("seconds", [-1, 3601, "1", None])
async def test_sleep_refuses_what_is_no_time(seconds: Any) -> None:
    assert (await run("sleep", {"seconds": seconds})).is_refused


async def test_fail_fails_with_the_message() -> None:
    ended = await run("fail", {"message": "as told"})

    assert ended.outcome is Outcome.FAILED
    assert ended.error is not None
    assert (ended.error.type, ended.error.message) == ("FailedAsAsked", "as told")


async def test_checksum_reads_the_whole_file(tmp_path: Path) -> None:
    content = os.urandom(2_500_000)
    file = tmp_path / "data"
    file.write_bytes(content)

    ended = await run("checksum", {"path": str(file)})

    assert ended.result == {"sha256": hashlib.sha256(content).hexdigest(), "size": 2_500_000}


async def test_checksum_of_a_file_that_can_never_be_read_is_not_tried_again(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        ended = await run("checksum", {"path": str(path)})

        assert (ended.outcome, ended.retry) == (Outcome.FAILED, RetryWish.NEVER)


@pytest.mark.parametrize(
    ("fault", "wish"), [(PermissionError(13, "denied"), "never"), (OSError(5, "disk fault"), "by_policy")]
)
async def test_checksum_tries_again_only_what_may_pass(
    monkeypatch: pytest.MonkeyPatch, fault: OSError, wish: str
) -> None:
    def cannot_open(*_: object) -> None:
        raise fault

    monkeypatch.setattr(Path, "open", cannot_open)
    ended = await run("checksum", {"path": "x"})

    assert (ended.outcome, ended.retry) == (Outcome.FAILED, wish)


async def test_checksum_stops_between_two_pieces(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"x")
    stop = Stop()
    stop.ask(StopReason.CANCEL)

    assert (await run("checksum", {"path": str(file)}, stop)).outcome is Outcome.CANCELLED
