"""Units of work that are written together: what waits while one group commits goes into the next."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from observatory.core import limits
from observatory.engine.writers import Writer

T = TypeVar("T")
Unit = Callable[[sqlite3.Connection], T]
"""
Work inside one transaction. It may be run again after what it was part of was rolled back: it must keep
nothing outside the connection. Any error it raises undoes its own writes only.
"""
Answer = tuple[Any, BaseException | None]
"""What a unit gave, or why it gave nothing."""
Group = list[tuple[Unit[Any], asyncio.Future[Any]]]
"""Units that commit together, each with its caller's future."""


class WriteGroups:
    """
    Gathers units, hands a group at a time to the writer, and answers their callers.

    Belongs to one event loop at a time: another one may take over while nothing is written. Whatever happens to one
    group, the next one has its turn.

    Args:
        write: Writes a group in the writer's thread; one answer for each unit, in order.
        note: Told the answers of a group, in the loop, before any of its callers goes on.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        write: Callable[[list[Unit[Any]]], list[Answer]],
        note: Callable[[list[Answer]], None],
    ) -> None:
        self._writer = writer
        self._write = write
        self._note = note
        self._waiting: Group = []
        self._rests = asyncio.Event()
        """Set while no group is gathered or written."""
        self._rests.set()

    async def join(self, unit: Unit[T]) -> T:
        """
        What *unit* gave, once its group is written. Units are written in the order of their calls.

        Raises:
            sqlite3.OperationalError: The writer does not run; nothing was written.
            BaseException: What the unit, or the writing of its group, raised.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append((unit, future))
        if self._rests.is_set():
            self._rests.clear()
            loop.call_soon(self._gather, loop, _TURNS_BEFORE_THE_FIRST)
        return await future

    async def rest(self) -> None:
        """Return when everything that joined is written."""
        await self._rests.wait()

    def _gather(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        """Let *turns* of the loop pass, so that whoever was woken together with the first caller joins its group."""
        if turns:
            loop.call_soon(self._gather, loop, turns - 1)
        else:
            self._hand_over(loop)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        group: Group = []
        while self._waiting and not group:
            group = [one for one in self._waiting[: limits.WRITE_GROUP_MAX] if not one[1].done()]
            del self._waiting[: limits.WRITE_GROUP_MAX]
        if not group:
            self._rests.set()
            return
        try:
            self._writer.hand(partial(self._run, loop, group))
        except RuntimeError as error:
            stands = sqlite3.OperationalError(f"the writer does not run: {error}")
            self._answer(loop, group, [(None, stands)] * len(group))

    def _run(self, loop: asyncio.AbstractEventLoop, group: Group) -> None:
        """Of the writer's thread."""
        answers: list[Answer]
        try:
            answers = self._write([unit for unit, _ in group])
        except BaseException as error:  # noqa: BLE001 — it belongs to the callers; whoever comes later needs the thread
            answers = [(None, error)] * len(group)
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it everyone who waited
            loop.call_soon_threadsafe(self._answer, loop, group, answers)

    def _answer(self, loop: asyncio.AbstractEventLoop, group: Group, answers: list[Answer]) -> None:
        loop.call_soon(self._hand_over, loop)  # first, so that no fault below holds up the groups that follow
        for (_, future), (value, error) in zip(group, answers, strict=True):
            _settle(future, value, error)
        self._note(answers)


_TURNS_BEFORE_THE_FIRST = 4
"""Turns of the loop before the first group after a rest."""


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if isinstance(error, StopIteration):  # no future takes one
        future.set_exception(RuntimeError("a unit raised StopIteration"))
    elif error is not None:
        future.set_exception(error)
    else:
        future.set_result(value)
