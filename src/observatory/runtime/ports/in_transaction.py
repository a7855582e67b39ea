"""
Submitting in a transaction of the application: a job and its event become visible with the application's own rows.

The rules are those of the gateway, run here: nothing is asked of any service, and no connection is opened.
"""

import contextlib
import functools
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from observatory.core.errors import DatabaseUnusable, ObservatoryError
from observatory.core.event import Producer
from observatory.core.handler import TypeInfo
from observatory.core.job import Job, JsonObject, NewJob
from observatory.engine.migrations import Migration, load_migrations
from observatory.engine.postgres_lent import Lent, lent
from observatory.engine.postgres_migrations import usable_number
from observatory.engine.postgres_notices import COMMITTED, HINTS
from observatory.engine.postgres_server import now_of, place_of, tell_at_commit
from observatory.event_bus.port import Hint
from observatory.gateway.submit import CallContext, checked_document, new_job
from observatory.job_store.port import Submitted
from observatory.job_store.postgres import MIGRATIONS, accept
from observatory.runtime.build_info import version
from observatory.runtime.sources import SystemClock, SystemIds

T = TypeVar("T")

SERVICE: Final = "sdk"
"""The producer of the events."""

_WAKE: Final = ((COMMITTED, ""), (HINTS, str(Hint.READY)))
"""Heard by the relay and the processors."""

_clock, _ids = SystemClock(), SystemIds()
_usable: set[tuple[Any, ...]] = set()
"""The schemas in which a job was accepted by this process, as `place_of` names them."""


def submit_blocking(connection: object, document: JsonObject, info: TypeInfo) -> Job:
    """
    The job that *document*, the body of `POST /jobs`, asks for, accepted in the transaction of *connection*.

    It is the earlier job when its idempotency key was used for the same one, also in this transaction. A transaction
    that is still open and used the key is waited for. What is refused leaves the transaction as it was.

    Args:
        info: Of the type, as the application defines it.

    Raises:
        TypeError: *connection* is none of a known library, or is one whose calls are awaited.
        NotInTransaction: It commits every statement by itself.
        InvalidJob, Refused: The document is wrong.
        IdempotencyConflict: The key belongs to another job.
        DatabaseUnusable, DataTooNew: The database has no schema that this release works with.

    What the library of the connection raises is passed on; its transaction is then aborted, as by any statement.
    """
    source = lent(connection)
    if source.is_awaited:
        raise TypeError("the calls of this connection are awaited: write await app.aio.submit_in(...)")
    return _at_once(_submit(source, document, info))


async def submit_awaiting(connection: object, document: JsonObject, info: TypeInfo) -> Job:
    """As `submit_blocking`, for a connection whose calls are awaited."""
    source = lent(connection)
    if not source.is_awaited:
        raise TypeError("the calls of this connection block the event loop: write app.submit_in(...), without aio")
    return await _submit(source, document, info)


async def _submit(source: Lent, document: JsonObject, info: TypeInfo) -> Job:
    checked = checked_document(document, now=_clock.now())
    new = new_job(checked, CallContext(correlation_id=_ids.new_id()), info=info, ids=_ids)
    await source.enter()
    place = await place_of(source)
    if place in _usable:
        answer = await _accept(source, new)
    else:
        answer = await _unless_it_fails(source, lambda: _accept_for_the_first_time(source, new))
        _usable.add(place)
    if isinstance(answer, ObservatoryError):
        raise answer
    return answer.job


async def _accept_for_the_first_time(source: Lent, new: NewJob) -> Submitted | ObservatoryError:
    migrations = _migrations()
    number = await usable_number(source, migrations)
    if number < len(migrations):
        found = f"its schema is {number}, and this release needs {len(migrations)}" if number else "it has no schema"
        raise DatabaseUnusable(
            f"the database is not set up for jobs: {found}", "set POSTGRES_URL to it and run:  odd-dashboard migrate"
        )
    return await _accept(source, new)


async def _accept(source: Lent, new: NewJob) -> Submitted | ObservatoryError:
    [answer] = await accept(source, [new], await now_of(source), _producer())
    if isinstance(answer, Submitted) and not answer.is_replay:
        await tell_at_commit(source, _WAKE)
    return answer


async def _unless_it_fails(source: Lent, work: Callable[[], Awaitable[T]]) -> T:
    """What *work* gives. When it fails, the transaction is as it was before and can go on."""
    await source.fetch("SAVEPOINT odd_submit")
    try:
        answer = await work()
    except Exception:
        with contextlib.suppress(Exception):  # the connection may be the fault; the first error says it
            await source.fetch("ROLLBACK TO SAVEPOINT odd_submit")
            await source.fetch("RELEASE SAVEPOINT odd_submit")
        raise
    await source.fetch("RELEASE SAVEPOINT odd_submit")
    return answer


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """What *coroutine* gives, which never waits: the statements that it awaits block."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise AssertionError("a statement that blocks was waited for")


@functools.cache
def _migrations() -> list[Migration]:
    return load_migrations(MIGRATIONS)


@functools.cache
def _producer() -> Producer:
    return Producer(service=SERVICE, instance_id=_ids.new_id(), version=version())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_producer.cache_clear)
