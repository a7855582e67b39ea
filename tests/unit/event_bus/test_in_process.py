"""What waits in memory for a consumer that does not come."""

import pytest

from observatory.core import limits
from observatory.event_bus.in_process import InProcessBus
from observatory.testing.factories import JobFactory


@pytest.mark.parametrize("beyond", [0, 1])
async def test_batches_wait_up_to_the_bound_and_then_the_oldest_goes(beyond):
    factory = JobFactory()
    for _ in range(limits.SUBSCRIPTION_BATCHES_MAX + beyond):
        factory.pending()
    bus = InProcessBus()
    subscription = await bus.subscribe("slow")

    for event in factory.events:
        await bus.publish([event])

    waiting = []
    while delivery := await subscription.receive(timeout_s=0):
        waiting += [event.position for event in delivery.events]
    assert waiting == list(range(1 + beyond, limits.SUBSCRIPTION_BATCHES_MAX + 1 + beyond))
