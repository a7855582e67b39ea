"""Calls that come while earlier ones are carried out go together in the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
A = TypeVar("A")

Call = tuple[Sequence[T], asyncio.Future[list[A]], int]
"""The items of one call, where its answer goes, and its weight."""

CarryOut = Callable[[Sequence[T]], Awaitable[Sequence[A]]]


class Gathering(Generic[T, A]):
    """
    Joins calls, each of some items, into few.

    An idle one adds no delay beyond a turn of the loop. Order is kept within a call and not between calls.

    Args:
        carry_out: Takes the items of some calls, never none, and gives an answer for each, in order.
        alone: The same for the items of one call, once more. It may wait for what holds up these items, where
            *carry_out* had better give up soon for the sake of the others.
        items_max: In one joined call. A caller brings no more.
        weight_of: Of an item.
        weight_max: In one joined call, unless a single one brings more.
        at_once_max: Joined calls under way at the same time.
        alone_at_once_max: Calls that are carried out once more under way at the same time, beside the joined ones.
        turn_s_max: How long one waits for that; then it fails as the joined one did.
        concerns_one: True for an error that the items of one call may have brought upon the others: then each call
            is carried out once more by itself.
    """

    def __init__(
        self,
        carry_out: CarryOut[T, A],
        *,
        alone: CarryOut[T, A],
        items_max: int,
        weight_of: Callable[[T], int],
        weight_max: int,
        at_once_max: int,
        alone_at_once_max: int,
        turn_s_max: float,
        concerns_one: Callable[[BaseException], bool],
    ) -> None:
        self._carry_out = carry_out
        self._alone = alone
        self._items_max = items_max
        self._weight_of = weight_of
        self._weight_max = weight_max
        self._at_once_max = at_once_max
        self._concerns_one = concerns_one
        self._waiting: deque[Call[T, A]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._again: set[asyncio.Task[None]] = set()
        self._may_go_again = asyncio.Semaphore(alone_at_once_max)
        self._turn_s_max = turn_s_max

    async def join(self, items: Sequence[T]) -> list[A]:
        """The answers for *items*, in order. Cancelling the caller ends it only if it has not begun."""
        assert len(items) <= self._items_max, f"{len(items)} items in one call"
        answer: asyncio.Future[list[A]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, answer, sum(map(self._weight_of, items))))
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
            if not self._concerns_one(error):
                _failed(calls, error)
                return
            for call in calls:
                task = asyncio.create_task(self._once_more(call, error))
                self._again.add(task)
                task.add_done_callback(self._again.discard)
        except BaseException as error:
            _failed(calls, error)
            raise

    def _taken(self) -> list[Call[T, A]]:
        calls: list[Call[T, A]] = []
        self._waiting = deque(call for call in self._waiting if not call[1].done())
        room, weight = self._items_max, self._weight_max
        while self._waiting and (not calls or (len(self._waiting[0][0]) <= room and self._waiting[0][2] <= weight)):
            calls.append(self._waiting.popleft())
            room -= len(calls[-1][0])
            weight -= calls[-1][2]
        return calls

    async def _once_more(self, call: Call[T, A], before: Exception) -> None:
        try:
            async with asyncio.timeout(self._turn_s_max):
                await self._may_go_again.acquire()
        except TimeoutError:
            _failed([call], before)
            return
        try:
            await _answered([call], self._alone)
        except BaseException as error:
            _failed([call], error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._may_go_again.release()


async def _answered(
    calls: Sequence[Call[T, A]],
    carry_out: CarryOut[T, A],
) -> None:
    answers = await carry_out([item for items, _, _ in calls for item in items])
    start = 0
    for items, answer, _ in calls:
        if not answer.done():
            answer.set_result(list(answers[start : start + len(items)]))
        start += len(items)


def _failed(calls: Sequence[Call[T, A]], error: BaseException) -> None:
    for _, answer, _ in calls:
        if not answer.done():
            if isinstance(error, Exception):
                answer.set_exception(error)
            else:
                answer.cancel()
