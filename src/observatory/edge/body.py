"""The body of a request, read within bounds."""

import asyncio
import contextlib
from typing import Final

from observatory.core import limits
from observatory.edge.asgi import Head, Receive
from observatory.edge.problem import CLOSE, HttpRefused

JSON_MEDIA_TYPE: Final = "application/json"
NDJSON_MEDIA_TYPE: Final = "application/x-ndjson"


def media_type_of(head: Head, allowed: tuple[str, ...]) -> str:
    """
    The media type of the body, one of *allowed*.

    Raises:
        HttpRefused: 415 for another one, another charset than UTF-8, or any content encoding.
    """
    encoding = head.get(b"content-encoding")
    if encoding is not None and encoding.strip().lower() != "identity":
        raise HttpRefused(415, "unsupported_encoding", "send the body as it is, without Content-Encoding")
    media_type, _, parameters = (head.get(b"content-type") or "").partition(";")
    media_type = media_type.strip().lower()
    if media_type not in allowed or b"content-type" in head.repeated:
        raise HttpRefused(415, "unsupported_media_type", f"the body must be {' or '.join(allowed)}")
    if not _is_utf8(parameters):
        raise HttpRefused(415, "unsupported_charset", "the body must be UTF-8")
    return media_type


def _is_utf8(parameters: str) -> bool:
    for parameter in filter(None, (part.strip() for part in parameters.split(";"))):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in {"utf-8", "utf8"}:
            return False
    return True


async def read_body(head: Head, receive: Receive, *, bytes_max: int) -> bytes:
    """
    The whole body, of which never more than *bytes_max* and one message are held.

    Raises:
        HttpRefused: 413 when it is too long, 408 when it takes too long, 400 when it ends early.
    """
    declared = head.get(b"content-length")
    if declared is not None and (not declared.isdecimal() or not declared.isascii()):
        raise HttpRefused(400, "bad_content_length", "Content-Length must be a number of bytes", headers=CLOSE)
    # Its digits are counted first: int() refuses thousands of them with an error of its own.
    if declared is not None and (len(declared) > 19 or int(declared) > bytes_max):
        if head.get(b"expect") is None:  # who waits for leave to send hears the refusal before sending anything
            await _discard(receive)
        raise _too_large(bytes_max)
    try:
        async with asyncio.timeout(limits.BODY_READ_S_MAX):
            return await _read(receive, bytes_max)
    except TimeoutError:
        detail = f"the body did not arrive within {limits.BODY_READ_S_MAX:g} s"
        raise HttpRefused(408, "body_timeout", detail, headers=CLOSE) from None


async def _read(receive: Receive, bytes_max: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpRefused(400, "incomplete_body", "the connection ended before the body did", headers=CLOSE)
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > bytes_max:
            if message.get("more_body", False):
                await _discard(receive)
            raise _too_large(bytes_max)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _discard(receive: Receive) -> None:
    """
    Throw away what still comes, within bounds.

    Many clients send a whole body before they look for an answer, and a connection that is closed on
    unread bytes is reset, which takes the answer along.
    """
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limits.DISCARD_S_MAX):
            while size < limits.DISCARD_BYTES_MAX:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return


def _too_large(bytes_max: int) -> HttpRefused:
    return HttpRefused(413, "too_large", f"the body has more than {bytes_max} bytes", headers=CLOSE)
