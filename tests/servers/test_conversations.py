"""Whatever pieces the bytes come in: the same exchanges, the same ends, and not one byte lost."""

import struct

import pytest

from tests.servers.conversation import Conversation, Direction
from tests.servers.http_conversation import HttpConversation
from tests.servers.postgres_conversation import PostgresConversation

EVERY_SIZE = [1, 2, 3, 7, 16, 10_000]

HTTP_REQUESTS = (
    b"POST /jobs?a=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    b"GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n"
    b"PUT /chunks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhe\r\nl\r\n0\r\nTrailer: 1\r\n\r\n"
    b"HEAD /jobs HTTP/1.1\r\n\r\n"
    b"GET /last HTTP/1.1\r\n\r\n"
)
HTTP_LABELS = ["POST /jobs?a=1", "GET /jobs", "PUT /chunks", "HEAD /jobs", "GET /last"]
HTTP_REPLIES = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok"
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"
    b"HTTP/1.1 204 No Content\r\n\r\n"
    b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n"
    b"HTTP/1.1 200 OK\r\n\r\nuntil the connection ends"
)


def message(kind, body=b""):
    return kind + struct.pack("!i", 4 + len(body)) + body


def parse(name, sql):
    return message(b"P", name + b"\0" + sql + b"\0\0\0")


def bind(name):
    return message(b"B", b"\0" + name + b"\0" + b"\0\0\0\0\0\0")


EXECUTE, SYNC, FLUSH, READY = message(b"E", b"\0\0\0\0\0"), message(b"S"), message(b"H"), message(b"Z", b"I")
STARTUP = struct.pack("!ii", 18, 196608) + b"user\0me\0\0\0"

POSTGRES_REQUESTS = (
    struct.pack("!ii", 8, 80877103)
    + STARTUP
    + message(b"p", b"secret\0")
    + message(b"Q", b"BEGIN;\0")
    + (parse(b"s1", b"INSERT INTO a") + message(b"D", b"Ss1\0") + FLUSH + bind(b"s1") + EXECUTE + SYNC)
    + (parse(b"s2", b"SELECT 3") + SYNC)
    + (parse(b"s3", b"SELECT 4") + FLUSH + message(b"Q", b"ROLLBACK\0"))
    + (bind(b"s1") + EXECUTE + parse(b"", b"SELECT 2") + bind(b"") + EXECUTE + SYNC)
    + (message(b"Q", b"COPY a FROM STDIN\0") + message(b"d", b"1\n") + message(b"d", b"2\n") + message(b"c"))
    + message(b"Q", b"COMMIT\0")
    + message(b"X")
)
POSTGRES_LABELS = [
    "encryption", "startup", "BEGIN", "INSERT INTO a", "PREPARE SELECT 3", "ROLLBACK",
    "INSERT INTO a; SELECT 2", "COPY a FROM STDIN", "COMMIT", "",
]  # fmt: skip
POSTGRES_REPLIES = (
    b"N"
    + (message(b"R", b"\0\0\0\x03") + message(b"R", b"\0\0\0\0") + message(b"S", b"a\0b\0") + READY)
    + (message(b"C", b"BEGIN\0") + READY)
    + (message(b"1") + message(b"2") + message(b"A", b"note") + message(b"C", b"INSERT 0 1\0") + READY)
    + (message(b"1") + READY)
    + (message(b"1") + message(b"C", b"ROLLBACK\0") + READY)
    + (message(b"2") + message(b"C", b"x\0") + message(b"C", b"y\0") + READY)
    + (message(b"G", b"\0\0\0") + message(b"C", b"COPY 2\0") + READY)
    + (message(b"C", b"COMMIT\0") + READY)
    + message(b"A", b"unasked")
)


def run(step, data, size):
    """Feed the data in pieces of the size; gives the exchanges in order of their ends, and all bytes that came out."""
    parts = [part for start in range(0, len(data), size) for part in step(data[start : start + size])]
    return [part.exchange for part in parts if part.is_last], b"".join(part.data for part in parts)


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_http_is_taken_apart(size):
    conversation = HttpConversation()

    asked, requests = run(conversation.sent, HTTP_REQUESTS, size)
    answered, replies = run(conversation.answered, HTTP_REPLIES, size)

    assert [exchange.label for exchange in asked] == HTTP_LABELS
    assert answered == asked[:-1]  # the last reply ends with the connection
    assert requests == HTTP_REQUESTS
    assert replies == HTTP_REPLIES


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_postgres_is_taken_apart(size):
    conversation = PostgresConversation()

    # the letter that answers the wish for encryption comes before the client goes on
    asked_first, first = run(conversation.sent, POSTGRES_REQUESTS[:8], size)
    answered_first, letter = run(conversation.answered, POSTGRES_REPLIES[:1], size)
    asked, requests = run(conversation.sent, POSTGRES_REQUESTS[8:], size)
    answered, replies = run(conversation.answered, POSTGRES_REPLIES[1:], size)

    assert [exchange.label for exchange in asked_first + asked] == POSTGRES_LABELS
    assert answered_first + answered == (asked_first + asked)[:-1]  # the end of the connection is not answered
    assert first + requests == POSTGRES_REQUESTS
    assert letter + replies == POSTGRES_REPLIES


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_what_is_encrypted_passes_as_it_is(size):
    conversation = PostgresConversation()
    secret = bytes(range(256))

    run(conversation.sent, POSTGRES_REQUESTS[:8], size)
    run(conversation.answered, b"S", size)

    assert run(conversation.sent, secret, size) == ([], secret)
    assert run(conversation.answered, secret, size) == ([], secret)


@pytest.mark.parametrize("kind", [Conversation, HttpConversation, PostgresConversation])
def test_what_is_cut_short_is_handed_out_at_the_end(kind):
    conversation = kind()
    beginning = {HttpConversation: b"POST /jobs HT", PostgresConversation: STARTUP + bind(b"") + b"E\0"}.get(kind, b"x")

    _, passed = run(conversation.sent, beginning, 1)

    assert passed + conversation.rest(Direction.REQUESTS) == beginning
    assert conversation.rest(Direction.REQUESTS) == b""
