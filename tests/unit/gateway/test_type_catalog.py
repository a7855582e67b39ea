import asyncio

import pytest

from observatory.core import limits
from observatory.core.errors import StoreUnavailable
from observatory.core.handler import Isolation, TypeInfo
from observatory.edge.problem import InvalidFields
from observatory.gateway.type_catalog import TypeCatalog
from observatory.job_store.port import KnownType
from observatory.testing.manual_sources import BEGINNING, ManualClock


class Types:
    """Answers one question of `JobQueries` and counts how often it is asked."""

    def __init__(self) -> None:
        self.known: list[KnownType] = []
        self.asked = 0
        self.is_broken = False

    async def types(self) -> list[KnownType]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_broken:
            raise StoreUnavailable("gone")
        return self.known

    def announce(self, **changes: object) -> None:
        fields = {"type": "a", "runs_in": Isolation.ASYNC, "max_attempts": 3, "timeout_seconds": 1.0}
        self.known = [KnownType(info=TypeInfo(**(fields | changes)), seen_at=BEGINNING)]


@pytest.fixture
def types() -> Types:
    return Types()


async def test_many_callers_at_once_ask_once(types: Types) -> None:
    catalog = TypeCatalog(types, ManualClock())

    await asyncio.gather(*(catalog.info("a") for _ in range(20)))

    assert types.asked == 1


async def test_knowledge_grows_old(types: Types) -> None:
    clock = ManualClock()
    catalog = TypeCatalog(types, clock)
    await catalog.info("a")
    types.announce(max_attempts=9)
    clock.advance(limits.TYPES_CACHE_S - 0.01)
    still_old = await catalog.info("a")
    clock.advance(0.01)

    new = await catalog.info("a")

    assert still_old is None
    assert new is not None
    assert new.max_attempts == 9


async def test_a_store_that_does_not_answer_is_asked_again(types: Types) -> None:
    catalog = TypeCatalog(types, ManualClock())
    types.is_broken = True
    with pytest.raises(StoreUnavailable):
        await catalog.info("a")
    types.is_broken = False
    types.announce()

    assert await catalog.info("a") is not None


async def test_a_payload_is_held_to_the_newest_schema(types: Types) -> None:
    clock = ManualClock()
    catalog = TypeCatalog(types, clock)
    types.announce(payload_schema={"required": ["x"]})
    first = await catalog.info("a")
    assert first is not None
    with pytest.raises(InvalidFields):
        catalog.check_payload(first, {})

    types.announce(payload_schema={"required": ["y"]})
    clock.advance(limits.TYPES_CACHE_S)
    second = await catalog.info("a")

    assert second is not None
    catalog.check_payload(second, {"y": 1})
