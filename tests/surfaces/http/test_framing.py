"""Is every malformed request answered or cut, by the server that really runs, and does none hurt the next one?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from observatory.runtime.http_server import HttpServer, bind
from tests.fixtures.bad_input.corpus import Framing, framing
from tests.surfaces.http.services import TOKEN, World

ANSWER_S = 20.0
"""Far beyond every deadline of the service itself."""
AT_ONCE = 16


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[int]:
    listener = bind("127.0.0.1", 0, purpose="test", setting="none")
    server = HttpServer(app, listener)
    await server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        await server.stop()


async def first_answer(port: int, case: Framing) -> tuple[int | str, bool]:
    """The first status (or "closed"), and whether the server ended the connection afterwards."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(case.request.replace(b"{token}", TOKEN.encode()))
        if not case.keep_open:
            writer.write_eof()
        async with asyncio.timeout(ANSWER_S):
            line = await reader.readline()
            status: int | str = int(line.split()[1]) if line.startswith(b"HTTP/") else "closed"
            is_closed = await reader.read() is not None if case.must_close or not case.keep_open else False
    except (ConnectionError, asyncio.IncompleteReadError):
        return "closed", True
    finally:
        writer.close()
    return status, is_closed


async def test_every_malformed_request_gets_one_of_the_allowed_answers(world: World) -> None:
    places = asyncio.Semaphore(AT_ONCE)
    wrong: list[str] = []

    async def judge(case: Framing, port: int) -> None:
        async with places:
            try:
                status, _ = await first_answer(port, case)
            except TimeoutError:
                status = "no answer"
        if status not in case.answers:
            wrong.append(f"{case.name}: {status}, not one of {case.answers}")

    async with listening(world.gateway()) as port:
        await asyncio.gather(*(judge(case, port) for case in framing()))

    assert framing()
    assert wrong == []


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
