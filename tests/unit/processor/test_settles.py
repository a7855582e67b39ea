"""Settles are offered to the store until it takes them, whoever asks for the next round."""

import asyncio
from typing import Any, cast

import pytest

from observatory.core.command import Release
from observatory.core.errors import StoreUnavailable
from observatory.event_bus.in_process import InProcessBus
from observatory.job_store.port import Applied, Order
from observatory.processor.attempts import Attempts
from observatory.processor.settles import Settles
from observatory.testing.factories import new_job
from observatory.testing.manual_sources import SeededIds


class SlowStore:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.may_answer = asyncio.Event()
        self.fails = False

    async def apply(self, orders: list[Order]) -> list[Applied]:
        await self.may_answer.wait()
        if self.fails:
            raise StoreUnavailable("away")
        self.taken += [order.job_id for order in orders]
        return [Applied(order.job_id, "PENDING", 3, has_changed=True) for order in orders]  # pyright: ignore[reportArgumentType] — only the id matters here


def settles_of(store: SlowStore) -> Settles:
    return Settles(cast("Any", store), InProcessBus(), None, Attempts())


def offer(settles: Settles, ids: SeededIds) -> str:
    job: Any = new_job(ids)
    settles.offer(job, Release(fence=1))
    return job.id


async def test_two_rounds_at_once_lose_nothing_that_is_offered_meanwhile() -> None:
    store, ids = SlowStore(), SeededIds()
    settles = settles_of(store)
    offered = [offer(settles, ids)]

    rounds = [asyncio.create_task(settles.run_once()), asyncio.create_task(settles.run_once())]
    await asyncio.sleep(0)
    offered.append(offer(settles, ids))
    store.may_answer.set()
    await asyncio.gather(*rounds)
    await settles.run_once()

    assert sorted(store.taken) == offered


async def test_what_the_store_did_not_take_is_offered_again_in_its_order() -> None:
    store, ids = SlowStore(), SeededIds()
    settles = settles_of(store)
    offered = [offer(settles, ids), offer(settles, ids)]
    store.may_answer.set()
    store.fails = True
    with pytest.raises(StoreUnavailable):
        await settles.run_once()

    store.fails = False
    offered.append(offer(settles, ids))
    await settles.run_once()

    assert store.taken == offered
