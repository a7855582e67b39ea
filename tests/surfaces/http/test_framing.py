"""Is every malformed request answered or cut, by the server that really runs, and does none hurt the next one?"""

import asyncio
import contextlib
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from observatory.core import limits
from observatory.runtime.http_server import HttpServer, bind
from tests.fixtures.bad_input.corpus import Framing, framing
from tests.surfaces.http.services import TOKEN, World

ANSWER_S = 20.0
"""Far beyond every deadline of the service itself."""


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[int]:
    listener = bind("127.0.0.1", 0, purpose="test", setting="none")
    server = HttpServer(app, listener)
    await server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        await server.stop()


async def first_answer(port: int, case: Framing) -> int | str:
    """The first status (or "closed"); returns only after the end of the connection where the server must end it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(case.request.replace(b"{token}", TOKEN.encode()))
        line = await reader.readline()
        if not line.startswith(b"HTTP/"):
            return "closed"
        if case.must_close:
            await reader.read()
        return int(line.split()[1])
    except ConnectionError:
        return "closed"
    finally:
        writer.close()


@pytest.mark.slow  # some requests are only ended by a deadline of the server
async def test_every_malformed_request_gets_one_of_the_allowed_answers(world: World) -> None:
    wrong: list[str] = []

    async def judge(case: Framing, port: int) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                status = await first_answer(port, case)
        except TimeoutError:
            status = "no answer, or not closed"
        if status not in case.answers:
            wrong.append(f"{case.name}: {status}, not one of {case.answers}")

    async with listening(world.gateway()) as port:
        await asyncio.gather(*(judge(case, port) for case in framing()))

    assert framing()
    assert wrong == []


async def test_a_client_that_sends_everything_before_it_listens_hears_why(world: World) -> None:
    def ask(port: int) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        connection.request("POST", "/jobs", body=b" " * 5 * limits.BODY_BYTES_MAX, headers=headers)
        with contextlib.closing(connection):
            answer = connection.getresponse()
            return answer.status, answer.read()

    async with listening(world.gateway()) as port:
        status, body = await asyncio.to_thread(ask, port)

    assert (status, json.loads(body)["code"]) == (413, "too_large")


async def test_a_body_over_the_limit_is_refused_while_it_is_still_coming(world: World) -> None:
    head = (
        f"POST /jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    async with listening(world.gateway()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + chunk * 17)

        line = await reader.readline()

        writer.close()
    assert b" 413 " in line
    assert await world.stored() == 0


async def test_a_head_request_gets_no_body_and_the_connection_goes_on(world: World) -> None:
    head = b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    async with listening(world.gateway()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        first = await reader.readuntil(b"\r\n\r\n")
        writer.write(get)

        second = await reader.read()

        writer.close()
    assert first.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: 0" not in first
    assert second.startswith(b"HTTP/1.1 200 ")
    assert second.endswith(b"}")
