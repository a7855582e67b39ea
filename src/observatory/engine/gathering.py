"""Calls that come while earlier ones are carried out go together in the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
A = TypeVar("A")

Call = tuple[Sequence[T], asyncio.Future[list[A]]]
"""The items of one call, and where its answer goes."""


class Gathering(Generic[T, A]):
    """
    Joins calls, each of some items, into few.

    An idle one adds no delay beyond a turn of the loop. Order is kept within a call and not between calls.

    Args:
        carry_out: Takes the items of some calls, never none, and gives an answer for each, in order.
        items_max: In one joined call. A caller brings no more.
        at_once_max: Joined calls under way at the same time.
        concerns_one: True for an error that the items of one call may have brought upon the others: then each call
            is carried out once more by itself.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[T]], Awaitable[Sequence[A]]],
        *,
        items_max: int,
        at_once_max: int,
        concerns_one: Callable[[BaseException], bool],
    ) -> None:
        self._carry_out = carry_out
        self._items_max = items_max
        self._at_once_max = at_once_max
        self._concerns_one = concerns_one
        self._waiting: deque[Call[T, A]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()

    async def join(self, items: Sequence[T]) -> list[A]:
        """The answers for *items*, in order. Goes on when the caller is cancelled."""
        assert len(items) <= self._items_max, f"{len(items)} items in one call"
        answer: asyncio.Future[list[A]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, answer))
        self._begin()
        return await answer

    def _begin(self) -> None:
        if self._waiting and len(self._under_way) < self._at_once_max:
            task = asyncio.create_task(self._together())
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._begin()

    async def _together(self) -> None:
        calls = self._taken()
        if not calls:
            return  # one that began in the same turn has taken them
        try:
            await _answered(calls, self._carry_out)
        except Exception as error:  # noqa: BLE001 — it is the callers'
            if len(calls) == 1 or not self._concerns_one(error):
                _failed(calls, error)
                return
            await self._one_by_one(calls)
        except BaseException as error:
            _failed(calls, error)
            raise

    def _taken(self) -> list[Call[T, A]]:
        calls: list[Call[T, A]] = []
        room = self._items_max
        while self._waiting and (not calls or len(self._waiting[0][0]) <= room):
            items, answer = self._waiting.popleft()
            room -= len(items)
            calls.append((items, answer))
        return calls

    async def _one_by_one(self, calls: Sequence[Call[T, A]]) -> None:
        for call in calls:
            try:
                await _answered([call], self._carry_out)
            except Exception as error:  # noqa: BLE001 — it is the caller's
                _failed([call], error)


async def _answered(
    calls: Sequence[Call[T, A]],
    carry_out: Callable[[Sequence[T]], Awaitable[Sequence[A]]],
) -> None:
    answers = await carry_out([item for items, _ in calls for item in items])
    start = 0
    for items, answer in calls:
        if not answer.done():
            answer.set_result(list(answers[start : start + len(items)]))
        start += len(items)


def _failed(calls: Sequence[Call[T, A]], error: BaseException) -> None:
    for _, answer in calls:
        if not answer.done():
            if isinstance(error, Exception):
                answer.set_exception(error)
            else:
                answer.cancel()
