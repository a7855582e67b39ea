"""Is what a server or the way to it refuses said in words that help?"""

import itertools

import asyncpg
import pytest

from observatory.core.errors import StoreUnavailable
from observatory.engine.postgres_database import PostgresDatabase, translated
from observatory.engine.postgres_refusals import said
from tests.servers.ports import free_port

_number = itertools.count(1)


async def refusal(url, statement="SELECT 1"):
    database = PostgresDatabase(url, service="test")
    try:
        with pytest.raises(StoreUnavailable) as raised, translated(StoreUnavailable):
            await database.read(lambda connection: connection.fetchval(statement))
    finally:
        await database.close()
    return str(raised.value)


async def test_an_unknown_database_is_named(postgres_server):
    text = await refusal(postgres_server.url("nowhere"))

    assert "the server has no such database; make it, or correct the URL" in text
    assert '"nowhere"' in text
    assert text.endswith("[InvalidCatalogNameError]")


async def test_an_unknown_role_is_named(postgres_server):
    text = await refusal(postgres_server.url().replace("observatory@", "nobody@"))

    assert "the server refused the role or its password" in text
    assert '"nobody"' in text


async def test_a_right_that_is_missing_says_where_rights_are_written(postgres_server):
    role = f"refused_{next(_number)}"
    postgres_server.execute(f"CREATE ROLE {role} LOGIN")

    text = await refusal(postgres_server.url().replace("observatory@", f"{role}@"), "SELECT pg_read_file('PG_VERSION')")

    assert "the role lacks a right; see Rights in docs/operations.md" in text
    postgres_server.execute(f"DROP ROLE {role}")


async def test_a_pooler_without_its_setting_is_said(postgres_pooler):
    assert "behind PgBouncer set ODD_POSTGRES_STATEMENT_CACHE=0" in await refusal(postgres_pooler.url("postgres"))


async def test_where_nothing_listens_is_named():
    port = free_port()

    text = await refusal(f"postgresql://ann@127.0.0.1:{port}/jobs")

    assert f"nothing listens at 127.0.0.1:{port}: " in text
    assert text.endswith("[ConnectionRefusedError]")


async def test_every_place_of_a_host_where_nothing_listens_is_named():
    refused = [
        f"[Errno 111] Connect call failed ('{host}', 5432{more})" for host, more in (("::1", ", 0, 0"), ("a", ""))
    ]

    text = said(OSError(f"Multiple exceptions: {', '.join(refused)}"))

    assert text.startswith("nothing listens at ::1:5432 or a:5432: ")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (asyncpg.InvalidPasswordError("no"), "the server refused the role or its password: no [InvalidPasswordError]"),
        (
            asyncpg.TooManyConnectionsError("no"),
            "the server takes no more connections; see Sizing in docs/operations.md",
        ),
        (TimeoutError(), "no answer came in time [TimeoutError]"),
        (asyncpg.ProtocolViolationError("odd"), "odd [ProtocolViolationError]"),
        (EOFError(), "[EOFError]"),
        (asyncpg.InterfaceError("first\nHINT: second"), "first [InterfaceError]"),
    ],
)
def test_an_error_is_one_line_that_ends_with_its_class(error, words):
    text = said(error)

    assert text.startswith(words)
    assert text.endswith(f"[{type(error).__name__}]")
