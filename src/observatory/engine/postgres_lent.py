"""
Connections that an application lends, in whose transaction it wants statements of ours to run: those of asyncpg,
psycopg 3 and SQLAlchemy 2, known by their classes, so that no library is loaded that the application does not use.

Nothing here begins, commits or rolls back a transaction, beyond what a library begins by itself with any statement.
What a library raises is passed on as it is: its caller knows what to repeat after which of them.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from observatory.core.errors import NotInTransaction
from observatory.engine.postgres_database import Row, Statements

_PARAMETER = re.compile(r"\$(\d+)")


class Lent(Statements, Protocol):
    """One connection of the application, inside its transaction."""

    @property
    def is_awaited(self) -> bool:
        """False when its statements block; then no coroutine here ever waits."""
        ...

    async def enter(self) -> None:
        """
        To be called before the first statement.

        Raises:
            NotInTransaction: Every statement would be committed by itself.
        """
        ...


def lent(connection: Any) -> Lent:
    """
    *connection*, for statements of ours.

    Raises:
        TypeError: It is none that is known here, or leads to another engine.
    """
    for kind in type(connection).__mro__:
        known = _KINDS.get((kind.__module__.partition(".")[0], kind.__name__))
        if known is not None:
            return known(connection)
    raise _unknown(connection)


def _unknown(connection: object) -> TypeError:
    kind = type(connection)
    remedy = _ADVICE.get((kind.__module__.partition(".")[0], kind.__name__), _KNOWN)
    return TypeError(f"{kind.__module__}.{kind.__qualname__} is no connection that a job can be submitted in: {remedy}")


_KNOWN = "give one of asyncpg or psycopg 3, or a Connection, Session, AsyncConnection or AsyncSession of SQLAlchemy"
_LEND_ONE = "give a connection of it, inside the transaction that the job belongs to"
_ADVICE: Mapping[tuple[str, str], str] = {
    ("asyncpg", "Pool"): _LEND_ONE,
    ("psycopg_pool", "ConnectionPool"): _LEND_ONE,
    ("psycopg_pool", "AsyncConnectionPool"): _LEND_ONE,
    ("psycopg", "Cursor"): "give its connection",
    ("psycopg", "AsyncCursor"): "give its connection",
    ("sqlalchemy", "Engine"): _LEND_ONE,
    ("sqlalchemy", "AsyncEngine"): _LEND_ONE,
    ("sqlalchemy", "sessionmaker"): "call it, and give the session",
    ("sqlalchemy", "async_sessionmaker"): "call it, and give the session",
}


def pyformat(query: str, values: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """*query* with `%(p1)s` for `$1`, as psycopg writes it, and *values* by those names."""
    marked = _PARAMETER.sub(r"%(p\1)s", query.replace("%", "%%"))
    return marked, {f"p{number}": value for number, value in enumerate(values, start=1)}


def _refuse(how: str) -> NotInTransaction:
    return NotInTransaction(
        f"open a transaction first: {how}. On this connection every statement is committed by itself, "
        "and the job would not go with the rows it belongs to"
    )


class _Asyncpg:
    is_awaited = True

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def enter(self) -> None:
        if not self._connection.is_in_transaction():
            raise _refuse("async with connection.transaction()")

    async def fetch(self, query: str, /, *values: Any) -> list[Row]:
        return await self._connection.fetch(query, *values)

    async def fetchval(self, query: str, /, *values: Any) -> Any:
        return await self._connection.fetchval(query, *values)


class _Psycopg:
    """With cursors of its own making: those of the application may give rows of another form."""

    is_awaited = False

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._library: Any = sys.modules["psycopg"]

    async def enter(self) -> None:
        connection = self._connection
        if connection.autocommit and connection.info.transaction_status.name == "IDLE":
            raise _refuse("with connection.transaction(), or a connection without autocommit")

    async def fetch(self, query: str, /, *values: Any) -> list[Row]:
        with self._library.Cursor(self._connection, row_factory=_as_tuples) as cursor:
            cursor.execute(*pyformat(query, values))
            return cursor.fetchall() if cursor.description else []

    async def fetchval(self, query: str, /, *values: Any) -> Any:
        return _first(await self.fetch(query, *values))


class _AsyncPsycopg(_Psycopg):
    is_awaited = True

    async def fetch(self, query: str, /, *values: Any) -> list[Row]:
        async with self._library.AsyncCursor(self._connection, row_factory=_as_tuples) as cursor:
            await cursor.execute(*pyformat(query, values))
            return await cursor.fetchall() if cursor.description else []


class _Sqlalchemy:
    """Statements go through the library, which begins the transaction with the first of them."""

    is_awaited = False

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def enter(self) -> None:
        self._check(self._connection)

    def _check(self, connection: Any) -> None:
        dialect = connection.dialect
        if (dialect.name, dialect.driver) not in _DIALECTS:
            raise TypeError(
                f"a job cannot be submitted in a connection of SQLAlchemy to {dialect.name} over {dialect.driver}: "
                "it takes postgresql over psycopg or asyncpg"
            )
        self._is_numbered = dialect.driver == "asyncpg"
        if connection.connection.dbapi_connection.autocommit:
            raise _refuse("give a connection without the isolation level AUTOCOMMIT")

    def _written(self, query: str, values: Sequence[Any]) -> tuple[str, Any]:
        return (query, tuple(values)) if self._is_numbered else pyformat(query, values)

    async def fetch(self, query: str, /, *values: Any) -> list[Row]:
        return _rows(self._connection.exec_driver_sql(*self._written(query, values)))

    async def fetchval(self, query: str, /, *values: Any) -> Any:
        return _first(await self.fetch(query, *values))


class _AsyncSqlalchemy(_Sqlalchemy):
    is_awaited = True

    async def enter(self) -> None:
        self._check(self._connection.sync_connection)

    async def fetch(self, query: str, /, *values: Any) -> list[Row]:
        return _rows(await self._connection.exec_driver_sql(*self._written(query, values)))


class _SqlalchemySession(_Sqlalchemy):
    """On the connection that the session's transaction runs on."""

    async def enter(self) -> None:
        self._connection = self._connection.connection()
        await super().enter()


class _AsyncSqlalchemySession(_AsyncSqlalchemy):
    async def enter(self) -> None:
        self._connection = await self._connection.connection()
        await super().enter()


def _as_tuples(cursor: object) -> type[tuple[Any, ...]]:
    """A row factory of psycopg."""
    return tuple


def _rows(result: Any) -> list[Row]:
    return list(result.all()) if result.returns_rows else []


def _first(rows: list[Row]) -> Any:
    return rows[0][0] if rows else None


_DIALECTS = {("postgresql", "psycopg"), ("postgresql", "psycopg_async"), ("postgresql", "asyncpg")}

_KINDS: Mapping[tuple[str, str], Callable[[Any], Lent]] = {
    ("asyncpg", "Connection"): _Asyncpg,
    ("asyncpg", "PoolConnectionProxy"): _Asyncpg,
    ("psycopg", "Connection"): _Psycopg,
    ("psycopg", "AsyncConnection"): _AsyncPsycopg,
    ("sqlalchemy", "Connection"): _Sqlalchemy,
    ("sqlalchemy", "Session"): _SqlalchemySession,
    ("sqlalchemy", "scoped_session"): _SqlalchemySession,
    ("sqlalchemy", "AsyncConnection"): _AsyncSqlalchemy,
    ("sqlalchemy", "AsyncSession"): _AsyncSqlalchemySession,
    ("sqlalchemy", "async_scoped_session"): _AsyncSqlalchemySession,
}
"""By the package and the name of a class that the connection's own is derived from."""
