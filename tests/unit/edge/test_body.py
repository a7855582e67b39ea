import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from observatory.edge.asgi import Head
from observatory.edge.body import media_type_of, read_body
from observatory.edge.problem import HttpRefused


def head(**headers: str) -> Head:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Head({"headers": raw})


class Parts:
    """Gives a body in parts and counts how many were asked for."""

    def __init__(self, parts: Iterable[bytes], *, then_disconnect: bool = False) -> None:
        self._parts = list(parts)
        self._then_disconnect = then_disconnect
        self.given = 0

    async def __call__(self) -> dict[str, Any]:
        if self.given == len(self._parts):
            return {"type": "http.disconnect"}
        part = self._parts[self.given]
        self.given += 1
        more = self._then_disconnect or self.given < len(self._parts)
        return {"type": "http.request", "body": part, "more_body": more}


async def test_a_body_at_the_limit_is_read_whole() -> None:
    assert await read_body(head(), Parts([b"ab", b"", b"cd"]), bytes_max=4) == b"abcd"


async def test_a_body_over_the_limit_is_refused_once_its_sender_is_done() -> None:
    parts = Parts([b"abc", b"de", b"f" * 1000])

    with pytest.raises(HttpRefused) as refused:
        await read_body(head(), parts, bytes_max=4)

    assert (refused.value.status, refused.value.code) == (413, "too_large")
    assert ("Connection", "close") in refused.value.headers
    assert parts.given == 3


@pytest.mark.parametrize("length", ["5", "18446744073709551616", "9" * 5000])
async def test_a_declared_length_over_the_limit_is_refused(length: str) -> None:
    parts = Parts([b"a"])

    with pytest.raises(HttpRefused) as refused:
        await read_body(head(content_length=length), parts, bytes_max=4)

    assert (refused.value.status, parts.given) == (413, 1)


async def test_no_more_is_thrown_away_than_the_limit_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observatory.core.limits.DISCARD_BYTES_MAX", 10)
    parts = Parts([b"abcde"] * 100)

    with pytest.raises(HttpRefused) as refused:
        await read_body(head(), parts, bytes_max=4)

    assert (refused.value.status, parts.given) == (413, 3)


async def test_a_sender_that_stops_halfway_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observatory.core.limits.DISCARD_S_MAX", 0.0)

    async def nothing() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    with pytest.raises(HttpRefused) as refused:
        await read_body(head(content_length="5"), nothing, bytes_max=4)

    assert refused.value.status == 413


async def test_who_asks_for_leave_to_send_is_refused_unread() -> None:
    parts = Parts([b"abcde"])

    with pytest.raises(HttpRefused):
        await read_body(head(content_length="5", expect="100-continue"), parts, bytes_max=4)

    assert parts.given == 0


@pytest.mark.parametrize("length", ["-1", "+1", "1.0", "0x1", "1_0", "", "\u00b2"])
async def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    with pytest.raises(HttpRefused) as refused:
        await read_body(head(content_length=length), Parts([b"a"]), bytes_max=4)

    assert refused.value.code == "bad_content_length"


async def test_a_body_that_ends_early_is_refused() -> None:
    with pytest.raises(HttpRefused) as refused:
        await read_body(head(), Parts([b"a"], then_disconnect=True), bytes_max=4)

    assert refused.value.code == "incomplete_body"


async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("observatory.core.limits.BODY_READ_S_MAX", 0.0)

    async def nothing() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    with pytest.raises(HttpRefused) as refused:
        await read_body(head(), nothing, bytes_max=4)

    assert refused.value.status == 408


def test_the_media_type_is_one_of_the_allowed() -> None:
    assert media_type_of(head(content_type="Application/JSON ; charset=UTF-8; q=1"), ("application/json",)) == (
        "application/json"
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_type": "application/jsonp"},
        {"content_type": "application/json; charset=utf-16"},
        {"content_type": "application/json", "content_encoding": "br"},
        {"content_type": "multipart/form-data; boundary=x"},
    ],
)
def test_any_other_body_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(HttpRefused) as refused:
        media_type_of(head(**headers), ("application/json",))

    assert refused.value.status == 415
