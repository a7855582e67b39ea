"""One PostgreSQL database: a few connections that all drivers of a process share.

Every statement has a deadline on both sides. A connection on which one was missed, or whose task was cancelled in the
middle, is closed and never used again: what its transaction did is for the server to undo.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar, cast

import asyncpg

from observatory.core import limits
from observatory.core.errors import Unavailable
from observatory.engine.postgres_refusals import said

T = TypeVar("T")

_connect = cast("Callable[..., Awaitable[Any]]", asyncpg.connect)

Row = Sequence[Any]


class Statements(Protocol):
    """Whatever runs a statement with parameters `$1`, `$2`… and gives its rows; those of nothing are none."""

    async def fetch(self, query: str, /, *values: Any) -> list[Row]:
        """The rows that *query* gives."""
        ...

    async def fetchval(self, query: str, /, *values: Any) -> Any:
        """The first value of the first row; None when there is no row."""
        ...


class Connection(Statements, Protocol):
    """What a unit of work is given: of the library's connection those methods that are used here."""

    async def fetchrow(self, query: str, /, *values: Any) -> Row | None:
        """The first of the rows that *query* gives; None when there is none."""
        ...

    async def execute(self, query: str, /, *values: Any, timeout: float | None = None) -> str:
        """Run *query*; gives the server's word for what it did, such as `UPDATE 3`."""
        ...

    def is_in_transaction(self) -> bool:
        """True between BEGIN and its end."""
        ...

    def terminate(self) -> None:
        """Close it without a word to the server."""
        ...


_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError)
"""Everything that the library raises; a time-out is an OSError."""

_CONFLICTS = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""The server has undone the transaction, so it may be begun again."""

_OF_VALUES = (
    asyncpg.DataError,
    asyncpg.exceptions.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.LockNotAvailableError,
)
"""The statement cannot take the values it was given, or not while another transaction goes on; the server undid it."""


@contextlib.contextmanager
def translated(unavailable: type[Unavailable]) -> Generator[None]:
    """Turn every error of the engine into *unavailable*; errors of ours pass."""
    try:
        yield
    except _FAULTS as error:
        raise unavailable(f"PostgreSQL: {said(error)}") from error


def concerns_one_call(error: BaseException) -> bool:
    """False when something is wrong with the server or the way to it: then no other values would do better."""
    return isinstance(error, _OF_VALUES) or not isinstance(error, _FAULTS)


def is_lock_held(error: BaseException | None) -> bool:
    """True when another transaction held what the statement needed for longer than it waits."""
    return isinstance(error, asyncpg.LockNotAvailableError)


def broken_constraint(error: BaseException | None) -> str | None:
    """Name of the constraint that the values would have broken; None for any other error."""
    name: object = getattr(error, "constraint_name", None)
    return name if isinstance(name, str) and isinstance(error, asyncpg.IntegrityConstraintViolationError) else None


_SETTINGS = {
    "statement_timeout": f"{limits.POSTGRES_STATEMENT_S_MAX * 1000:.0f}",
    "lock_timeout": f"{limits.POSTGRES_LOCK_S_MAX * 1000:.0f}",
    "idle_in_transaction_session_timeout": f"{limits.POSTGRES_IDLE_TRANSACTION_S_MAX * 1000:.0f}",
    # Every statement of ours finds its rows by an index, and many in the order of one. Statistics lag behind tables
    # that fill and empty by the second, and a plan that reads a whole table, or collects all that match to sort them
    # for the first few, would be kept for as long as its connection.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    # For the same reason a plan need not know the values. Arrays differ in length from call to call, and the server
    # would make the plan anew for each: half of what a small claim costs it.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}


def _local(settings: Mapping[str, str]) -> Iterator[str]:
    return (f"SET LOCAL {name} = {value}" for name, value in settings.items())


class PostgresDatabase:
    """
    The database at *url*. Nothing is connected before the first call, which may come while the server is down.

    Args:
        url: As `postgresql://user:password@host:port/database`.
        service: Shown by the server beside each connection.
        connections_max: Those of this process.
        statement_cache: Prepared statements kept for each connection; 0 for a pooler that gives every transaction
            another connection of the server. Then nothing is expected of a session: each statement runs in a
            transaction, which brings its settings along.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str,
        connections_max: int = limits.POSTGRES_CONNECTIONS_DEFAULT,
        statement_cache: int = limits.POSTGRES_STATEMENT_CACHE_DEFAULT,
    ) -> None:
        self._url = url
        self._service = service
        self._connections_max = connections_max
        self._statement_cache = statement_cache
        self.is_pooled = statement_cache == 0
        """Whether two transactions of one connection may run in two sessions of the server."""
        self.begin = "; ".join(["BEGIN", *(_local(_SETTINGS) if self.is_pooled else ())])
        """The statement that begins a transaction: one round trip."""
        self._pool: Any = None
        self._writes: set[asyncio.Future[Any]] = set()

    async def read(self, query: Callable[[Connection], Awaitable[T]]) -> T:
        """What *query* answers. Each of its statements sees what was committed before it began."""
        async with self._connection() as connection:
            return await (self._transacted(connection, query) if self.is_pooled else query(connection))

    async def write(self, unit: Callable[[Connection], Awaitable[T]], *, after: Sequence[str] = ()) -> T:
        """
        What *unit* answers, once its transaction is committed: durable, all of it or nothing.

        Statements in *after* come before it in its transaction, without a round trip of their own: such as a lock that
        everything in the unit has to see the last holder's work of.

        After an error of the engine it is not known whether it took effect; after any other error it did not. It goes
        on when its caller is cancelled. It is called again, from its beginning, when the server undoes it because of a
        conflict with another transaction.
        """
        return await self._shielded(partial(self._in_transaction, unit, after))

    async def write_alone(self, statement: Callable[[Connection], Awaitable[T]]) -> T:
        """As `write`, but each statement may be a transaction by itself: two round trips shorter."""
        return await self._shielded(partial(self._alone, statement))

    async def _shielded(self, work: Callable[[], Awaitable[T]]) -> T:
        task = asyncio.ensure_future(_retried(work))
        self._writes.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone

    async def _alone(self, statement: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._connection() as connection:
            answer = await (self._transacted(connection, statement) if self.is_pooled else statement(connection))
            self.committed()
            return answer

    async def _in_transaction(self, unit: Callable[[Connection], Awaitable[T]], after: Sequence[str]) -> T:
        async with self._connection() as connection:
            answer = await self._transacted(connection, unit, *after)
            self.committed()
            return answer

    async def _transacted(self, connection: Connection, unit: Callable[[Connection], Awaitable[T]], *after: str) -> T:
        await connection.execute("; ".join([self.begin, *after]))
        try:
            answer = await unit(connection)
            tag = await connection.execute("COMMIT")
        except BaseException:
            await _roll_back(connection)
            raise
        assert tag == "COMMIT", f"a unit of work hid an error of its transaction: {tag}"
        return answer

    def committed(self) -> None:
        """Called after every commit of what may have written."""

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Connection]:
        """One of the pool. It goes back only if every statement on it came to its end."""
        pool = await self._opened()
        connection = await pool.acquire(timeout=limits.POSTGRES_WAIT_S_MAX)
        try:
            yield self.wrapped(connection)
        except BaseException as error:
            # A deadline that is missed, or a task that is cancelled, leaves the connection in the middle of something.
            if isinstance(error, OSError) or not isinstance(error, Exception) or _is_in_transaction(connection):
                _terminate(connection)
            raise
        finally:
            await pool.release(connection, timeout=limits.POSTGRES_WAIT_S_MAX)

    def wrapped(self, connection: Connection) -> Connection:
        """What units of work are given for *connection*."""
        return connection

    async def _opened(self) -> Any:
        if self._pool is None:
            self._pool = asyncpg.create_pool(
                self._url,
                min_size=0,
                max_size=self._connections_max,
                max_inactive_connection_lifetime=limits.POSTGRES_IDLE_CONNECTION_S,
                reset=_nothing,
                **self._connecting(),
            )
        # Until it is awaited for the first time, a pool is not open.
        return await self._pool

    async def connect(self) -> Any:
        """A connection of the caller's own, outside the pool: for who listens."""
        return await _connect(self._url, **self._connecting())

    def _connecting(self) -> dict[str, Any]:
        return {
            "timeout": limits.POSTGRES_CONNECT_S_MAX,
            "command_timeout": limits.POSTGRES_ANSWER_S_MAX,
            "statement_cache_size": self._statement_cache,
            "server_settings": self._session_settings(),
        }

    def _session_settings(self) -> dict[str, str]:
        named = {"application_name": f"odd-dashboard {self._service}"}
        return named if self.is_pooled else named | _SETTINGS  # a pooler refuses the others

    async def close(self) -> None:
        """Let what is being written come to its end, and close the connections. Safe to call twice."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=limits.POSTGRES_ANSWER_S_MAX)
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    def abandon(self) -> None:
        """Close the connections at once, as a kill would."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()


async def _retried(work: Callable[[], Awaitable[T]]) -> T:
    for _ in range(limits.POSTGRES_TRIES_MAX - 1):
        with contextlib.suppress(*_CONFLICTS):
            return await work()
    return await work()


def _is_in_transaction(connection: Connection) -> bool:
    """False for a connection that the library has closed: it says that by an error of its own."""
    with contextlib.suppress(asyncpg.InterfaceError):
        return connection.is_in_transaction()
    return False


def _terminate(connection: Connection) -> None:
    """Does nothing to one that the library has closed."""
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _roll_back(connection: Connection) -> None:
    """Its errors say nothing new: what cannot be rolled back is closed by whoever gives the connection back."""
    with contextlib.suppress(*_FAULTS):
        if _is_in_transaction(connection):
            await connection.execute("ROLLBACK")


async def _nothing(connection: Connection) -> None:
    """A connection is given back as it was taken: nothing of ours changes its session."""
