"""
The connections that an application may lend, one class for each library and kind, under the same few calls.

Those that block run in a thread, so that a test can see them wait.
"""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import asyncpg
import psycopg
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from observatory import Observatory
from observatory.sdk.submitting import AsyncSubmitter, Submitter


class Lender:
    """An application with one connection to *url* and a table `orders`. A transaction is open after `begin`."""

    name: ClassVar[str]
    connection: Any

    async def open(self, url: str, *, autocommit: bool = False) -> None: ...

    async def begin(self) -> None:
        """Where a library begins by itself, there is nothing to do."""

    async def execute(self, sql: str) -> None: ...

    async def commit(self) -> None: ...

    async def rollback(self) -> None: ...

    async def close(self) -> None: ...

    async def submit(self, to: Observatory, type: str, /, options: dict[str, Any] | None = None, **payload: Any) -> Any:
        return await self.submitter(to, options or {}).submit_in(self.connection, type, **payload)

    def submitter(self, to: Observatory, options: dict[str, Any]) -> AsyncSubmitter:
        return to.aio.options(**options)


class Asyncpg(Lender):
    name = "asyncpg"

    async def open(self, url, *, autocommit=False):
        self.connection = await asyncpg.connect(url)
        self.transaction = None

    async def begin(self):
        self.transaction = self.connection.transaction()
        await self.transaction.start()

    async def execute(self, sql):
        await self.connection.execute(sql)

    async def commit(self):
        await self.transaction.commit()

    async def rollback(self):
        await self.transaction.rollback()

    async def close(self):
        await self.connection.close()


class AsyncpgOfPool(Asyncpg):
    name = "asyncpg-pool"

    async def open(self, url, *, autocommit=False):
        self.pool = await asyncpg.create_pool(url, min_size=1, max_size=1)
        self.connection = await self.pool.acquire()

    async def close(self):
        self.pool.terminate()


class AsyncPsycopg(Lender):
    name = "psycopg-async"

    async def open(self, url, *, autocommit=False):
        self.connection = await psycopg.AsyncConnection.connect(url, autocommit=autocommit)

    async def execute(self, sql):
        await self.connection.execute(sql)

    async def commit(self):
        await self.connection.commit()

    async def rollback(self):
        await self.connection.rollback()

    async def close(self):
        await self.connection.close()


class _Blocking(Lender):
    async def submit(self, to, type, /, options=None, **payload):
        submitter: Submitter = to.options(**options or {})
        return await asyncio.to_thread(submitter.submit_in, self.connection, type, **payload)

    async def execute(self, sql):
        await asyncio.to_thread(self._execute, sql)

    def _execute(self, sql):
        self.connection.execute(sqlalchemy.text(sql))

    async def commit(self):
        await asyncio.to_thread(self.connection.commit)

    async def rollback(self):
        await asyncio.to_thread(self.connection.rollback)

    async def close(self):
        await asyncio.to_thread(self.connection.close)


class Psycopg(_Blocking):
    name = "psycopg"

    async def open(self, url, *, autocommit=False):
        self.connection = await asyncio.to_thread(psycopg.connect, url, autocommit=autocommit)

    def _execute(self, sql):
        self.connection.execute(sql)


class PsycopgWithHabits(Psycopg):
    """Whose own cursors give dicts and know no `%s`, and whose clock is Tokyo's."""

    name = "psycopg-habits"

    async def open(self, url, *, autocommit=False):
        await super().open(url, autocommit=autocommit)
        self.connection.row_factory = psycopg.rows.dict_row
        self.connection.cursor_factory = psycopg.RawCursor
        self.connection.execute("SET TimeZone = 'Asia/Tokyo'")
        self.connection.commit()


def _engine_options(autocommit: bool) -> dict[str, Any]:
    return {"poolclass": NullPool} | ({"isolation_level": "AUTOCOMMIT"} if autocommit else {})


class SqlalchemyConnection(_Blocking):
    name = "sqlalchemy-connection"

    async def open(self, url, *, autocommit=False):
        engine = sqlalchemy.create_engine(_over("psycopg", url), **_engine_options(autocommit))
        self.connection = await asyncio.to_thread(self._opened, engine)

    def _opened(self, engine):
        return engine.connect()


class SqlalchemySession(SqlalchemyConnection):
    name = "sqlalchemy-session"

    def _opened(self, engine):
        return Session(engine)


class SqlalchemyAsyncConnection(Lender):
    name = "sqlalchemy-async-connection-asyncpg"
    driver = "asyncpg"

    async def open(self, url, *, autocommit=False):
        engine = create_async_engine(_over(self.driver, url), **_engine_options(autocommit))
        self.connection = await self._opened(engine)

    async def _opened(self, engine) -> AsyncConnection | AsyncSession:
        return await engine.connect()

    async def execute(self, sql):
        await self.connection.execute(sqlalchemy.text(sql))

    async def commit(self):
        await self.connection.commit()

    async def rollback(self):
        await self.connection.rollback()

    async def close(self):
        await self.connection.close()


class SqlalchemyAsyncConnectionPsycopg(SqlalchemyAsyncConnection):
    name = "sqlalchemy-async-connection-psycopg"
    driver = "psycopg"


class SqlalchemyRunSync(SqlalchemyAsyncConnection):
    """The blocking form over asyncpg, as SQLAlchemy lends it to functions that `run_sync` calls."""

    name = "sqlalchemy-run-sync"

    async def submit(self, to, type, /, options=None, **payload):
        submitter: Submitter = to.options(**options or {})
        return await self.connection.run_sync(lambda connection: submitter.submit_in(connection, type, **payload))


class SqlalchemyAsyncSession(SqlalchemyAsyncConnection):
    name = "sqlalchemy-async-session-asyncpg"

    async def _opened(self, engine):
        return AsyncSession(engine)


class SqlalchemyAsyncSessionPsycopg(SqlalchemyAsyncSession):
    name = "sqlalchemy-async-session-psycopg"
    driver = "psycopg"


def _over(driver: str, url: str) -> str:
    return url.replace("postgresql://", f"postgresql+{driver}://", 1)


LENDERS: list[Callable[[], Lender]] = [
    Asyncpg,
    AsyncpgOfPool,
    Psycopg,
    PsycopgWithHabits,
    AsyncPsycopg,
    SqlalchemyConnection,
    SqlalchemySession,
    SqlalchemyRunSync,
    SqlalchemyAsyncConnection,
    SqlalchemyAsyncConnectionPsycopg,
    SqlalchemyAsyncSession,
    SqlalchemyAsyncSessionPsycopg,
]
