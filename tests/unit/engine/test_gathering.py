"""Do calls that come together go together, and does each still get its own answer?"""

import asyncio

import pytest

from observatory.engine.gathering import Gathering


class Carrier:
    """Carries out what it is given when it is let, and remembers what went together."""

    def __init__(self):
        self.together = []
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.bad = set()

    async def __call__(self, items):
        self.together.append(list(items))
        await self.may_go.wait()
        if self.bad & set(items):
            raise ValueError(f"bad: {sorted(self.bad & set(items))}")
        return [item * 10 for item in items]


def gathering(carrier, *, alone=None, items_max=10, weight_max=1_000, at_once_max=1, alone_at_once_max=2, **options):
    return Gathering(
        carrier,
        alone=alone or carrier,
        items_max=items_max,
        weight_of=lambda item: item,
        weight_max=weight_max,
        at_once_max=at_once_max,
        alone_at_once_max=alone_at_once_max,
        **({"turn_s_max": 5.0, "concerns_one": lambda error: isinstance(error, ValueError)} | options),
    )


async def joined(gathered, *calls):
    return await asyncio.gather(*(gathered.join(call) for call in calls), return_exceptions=True)


async def test_calls_that_come_while_one_is_under_way_go_together():
    carrier = Carrier()
    gathered = gathering(carrier)
    carrier.may_go.clear()
    first = asyncio.create_task(gathered.join([1]))
    await asyncio.sleep(0.01)
    rest = asyncio.create_task(joined(gathered, [2, 3], [4]))
    await asyncio.sleep(0.01)
    carrier.may_go.set()

    assert await first == [10]
    assert await rest == [[20, 30], [40]]
    assert carrier.together == [[1], [2, 3, 4]]


async def test_a_joined_call_has_at_most_so_many_items():
    carrier = Carrier()

    assert await joined(gathering(carrier, items_max=3), [1, 2], [3], [4, 5, 6], [7]) == [
        [10, 20],
        [30],
        [40, 50, 60],
        [70],
    ]
    assert carrier.together == [[1, 2, 3], [4, 5, 6], [7]]


async def test_a_call_with_more_items_is_a_programmers_error():
    with pytest.raises(AssertionError):
        await gathering(Carrier(), items_max=1).join([1, 2])


async def test_so_many_joined_calls_are_under_way_at_once():
    carrier = Carrier()
    gathered = gathering(carrier, items_max=1, at_once_max=2)
    carrier.may_go.clear()
    calls = asyncio.create_task(joined(gathered, [1], [2], [3]))
    await asyncio.sleep(0.01)
    under_way = list(carrier.together)
    carrier.may_go.set()

    assert await calls == [[10], [20], [30]]
    assert under_way == [[1], [2]]


async def test_items_that_cannot_be_taken_fail_their_own_call_alone():
    carrier = Carrier()
    carrier.bad = {2}

    one, two, three = await joined(gathering(carrier), [1], [2], [3])

    assert (one, three) == ([10], [30])
    assert isinstance(two, ValueError)


async def test_an_error_that_concerns_all_is_given_to_all_and_not_tried_again():
    carrier = Carrier()
    carrier.bad = {2}

    answers = await joined(gathering(carrier, concerns_one=lambda error: False), [1], [2])

    assert [type(answer) for answer in answers] == [ValueError, ValueError]
    assert carrier.together == [[1, 2]]


async def test_a_caller_that_goes_away_leaves_the_others_their_answers():
    carrier = Carrier()
    gathered = gathering(carrier)
    carrier.may_go.clear()
    leaving, staying = asyncio.create_task(gathered.join([1])), asyncio.create_task(gathered.join([2]))
    await asyncio.sleep(0.01)
    leaving.cancel()
    carrier.may_go.set()

    assert await staying == [20]
    assert leaving.cancelled() or leaving.cancelling()


async def test_nothing_is_carried_out_for_nobody():
    carrier = Carrier()
    gathered = gathering(carrier, at_once_max=2)

    for number in range(100):  # the end of the one before and the next call meet in one turn of the loop
        assert await gathered.join([number]) == [number * 10]
    await asyncio.sleep(0)

    assert carrier.together == [[number] for number in range(100)]


async def test_a_joined_call_weighs_at_most_so_much_unless_a_single_one_weighs_more():
    carrier = Carrier()

    await joined(gathering(carrier, weight_max=5), [1, 2], [2], [1], [9], [1])

    assert carrier.together == [[1, 2, 2], [1], [9], [1]]


async def test_a_call_that_is_held_up_alone_holds_up_no_other():
    carrier, held = Carrier(), asyncio.Event()
    carrier.bad.add(3)

    async def alone(items):
        if 3 in items:
            await held.wait()
        return [item * 10 for item in items]

    gathered = gathering(carrier, alone=alone)
    stuck = asyncio.create_task(gathered.join([3]))
    rest = asyncio.create_task(joined(gathered, [1], [2]))

    async with asyncio.timeout(5.0):
        assert await rest == [[10], [20]]
        assert await joined(gathered, [4], [5]) == [[40], [50]]
    assert not stuck.done()
    held.set()
    assert await stuck == [30]


async def test_so_many_go_once_more_at_once():
    carrier, under_way, most = Carrier(), 0, 0
    carrier.bad.add(1)

    async def alone(items):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return list(items)

    await joined(gathering(carrier, alone=alone, alone_at_once_max=2), [1], [2], [3], [4], [5])

    assert most == 2


async def test_a_call_that_is_given_up_before_it_began_is_never_carried_out():
    carrier = Carrier()
    gathered = gathering(carrier)
    carrier.may_go.clear()
    first = asyncio.create_task(gathered.join([1]))
    await asyncio.sleep(0.01)
    given_up, patient = (asyncio.create_task(gathered.join([number])) for number in (2, 3))
    await asyncio.sleep(0.01)
    given_up.cancel()
    first.cancel()
    await asyncio.sleep(0.01)
    carrier.may_go.set()

    assert await patient == [30]
    assert carrier.together == [[1], [3]]


async def test_who_gets_no_turn_in_time_fails_as_all_of_them_did():
    carrier, held = Carrier(), asyncio.Event()
    carrier.bad.add(1)

    async def alone(items):
        await held.wait()
        return list(items)

    gathered = gathering(carrier, alone=alone, alone_at_once_max=1, turn_s_max=0.02)
    calls = [asyncio.create_task(gathered.join([number])) for number in (1, 2, 3)]
    await asyncio.wait(calls, return_when=asyncio.FIRST_EXCEPTION)
    await asyncio.sleep(0.05)
    held.set()
    first, *others = await asyncio.gather(*calls, return_exceptions=True)

    assert first == [1]
    assert [str(other) for other in others] == ["bad: [1]"] * 2
