"""Does every driver of the views move document and checkpoint together, and let one writer win?"""

import asyncio
import inspect

import msgspec
import pytest

from observatory.core.errors import CheckpointMoved, ViewsUnavailable
from observatory.core.folds import StatsView, fold_stats
from observatory.testing.factories import JobFactory
from observatory.testing.manual_sources import SeededIds
from observatory.view_store.port import StoredView, ViewStore
from observatory.view_store.projection import Projection


def view(checkpoint, generation="g", **document):
    return StoredView(msgspec.json.encode(document), checkpoint, generation)


class TestRoundTrip:
    async def test_a_view_that_was_never_saved_is_none(self, stored):
        assert await stored.views.load("stats") is None

    async def test_a_view_comes_back_as_it_was_saved(self, stored):
        saved = view(7, text="ä\U0001f991\u2028", big=2**53 - 1, nested={"list": [1, None, True]})

        await stored.views.save("stats", saved, expected_checkpoint=0)

        assert await stored.views.load("stats") == saved
        assert await stored.other_views.load("stats") == saved

    async def test_views_do_not_touch_each_other(self, stored):
        await stored.views.save("a", view(1, n=1), expected_checkpoint=0)
        await stored.views.save("b", view(2, n=2), expected_checkpoint=0)
        await stored.views.drop("a")

        assert await stored.views.load("a") is None
        assert await stored.views.load("b") == view(2, n=2)

    async def test_a_view_is_there_after_a_kill(self, stored):
        await stored.views.save("stats", view(3), expected_checkpoint=0)

        stored.restart()

        assert await stored.views.load("stats") == view(3)

    async def test_a_dropped_view_can_begin_again_with_a_new_generation(self, stored):
        await stored.views.save("stats", view(3), expected_checkpoint=0)
        await stored.views.drop("stats")

        await stored.views.save("stats", view(1, generation="new"), expected_checkpoint=0)

        assert await stored.views.load("stats") == view(1, generation="new")


class TestConcurrency:
    async def test_of_two_writers_from_the_same_checkpoint_one_wins(self, stored):
        await stored.views.save("stats", view(1), expected_checkpoint=0)

        answers = await asyncio.gather(
            stored.views.save("stats", view(2, who="one"), expected_checkpoint=1),
            stored.other_views.save("stats", view(3, who="two"), expected_checkpoint=1),
            return_exceptions=True,
        )

        assert [type(answer) for answer in answers if answer is not None] == [CheckpointMoved]
        winner = view(2, who="one") if answers[0] is None else view(3, who="two")
        assert await stored.views.load("stats") == winner

    async def test_of_two_who_begin_a_view_one_wins(self, stored):
        answers = await asyncio.gather(
            *(stored.views.save("stats", view(1, generation=name), expected_checkpoint=0) for name in "ab"),
            return_exceptions=True,
        )

        assert [isinstance(answer, CheckpointMoved) for answer in answers].count(True) == 1

    @pytest.mark.parametrize(
        ("saved", "expected_checkpoint"),
        [(view(9), 4), (view(9), 6), (view(9), 0), (view(9, generation="other"), 5)],
        ids=["behind", "ahead", "none", "other-generation"],
    )
    async def test_a_save_from_another_state_changes_nothing(self, stored, saved, expected_checkpoint):
        await stored.views.save("stats", view(5), expected_checkpoint=0)

        with pytest.raises(CheckpointMoved):
            await stored.views.save("stats", saved, expected_checkpoint=expected_checkpoint)

        assert await stored.views.load("stats") == view(5)

    async def test_a_save_after_the_view_was_dropped_changes_nothing(self, stored):
        with pytest.raises(CheckpointMoved):
            await stored.views.save("stats", view(6), expected_checkpoint=5)

        assert await stored.views.load("stats") is None


class TestIdempotency:
    async def test_the_same_save_again_is_noticed(self, stored):
        await stored.views.save("stats", view(1), expected_checkpoint=0)

        with pytest.raises(CheckpointMoved):
            await stored.views.save("stats", view(1), expected_checkpoint=0)

        assert await stored.views.load("stats") == view(1)

    async def test_dropping_twice_and_dropping_nothing(self, stored):
        await stored.views.save("stats", view(1), expected_checkpoint=0)

        for name in ("stats", "stats", "never"):
            await stored.views.drop(name)

        assert await stored.views.load("stats") is None


class TestBounds:
    async def test_an_empty_view_can_be_saved_and_goes_on_from_zero(self, stored):
        await stored.views.save("stats", view(0), expected_checkpoint=0)
        await stored.views.save("stats", view(1), expected_checkpoint=0)

        assert await stored.views.load("stats") == view(1)

    async def test_a_checkpoint_may_be_as_large_as_positions_get(self, stored):
        await stored.views.save("stats", view(2**53), expected_checkpoint=0)
        await stored.views.save("stats", view(2**53 + 1), expected_checkpoint=2**53)

        assert (await stored.views.load("stats")).checkpoint == 2**53 + 1

    async def test_a_large_document_is_kept(self, stored):
        large = view(1, text="x" * 4_000_000)

        await stored.views.save("stats", large, expected_checkpoint=0)

        assert await stored.views.load("stats") == large


CALLS = {
    "load": lambda views: views.load("stats"),
    "save": lambda views: views.save("stats", view(2), expected_checkpoint=1),
    "drop": lambda views: views.drop("stats"),
}


def test_every_method_of_the_port_is_put_to_the_test():
    assert {name for name, one in vars(ViewStore).items() if inspect.iscoroutinefunction(one)} == set(CALLS)


class TestFailureInTheMiddle:
    @pytest.mark.parametrize("name", ["save", "drop"])
    async def test_a_change_happens_as_a_whole_or_not_at_all(self, stored, name):
        await stored.views.save("stats", view(1), expected_checkpoint=0)
        failures = 0

        for number in range(1, 100):
            stored.faults.fail_call(number)
            try:
                await CALLS[name](stored.views)
            except ViewsUnavailable:
                failures += 1
                stored.restart()
                assert await stored.views.load("stats") == view(1)
            else:
                break

        stored.faults.heal()
        assert failures >= 2
        assert await stored.views.load("stats") == (view(2) if name == "save" else None)

    async def test_a_save_whose_answer_was_lost_is_noticed_at_the_next(self, stored):
        await stored.views.save("stats", view(1), expected_checkpoint=0)
        stored.faults.lose_next_commit()
        with pytest.raises(ViewsUnavailable):
            await CALLS["save"](stored.views)

        with pytest.raises(CheckpointMoved):
            await CALLS["save"](stored.views)

        assert await stored.views.load("stats") == view(2)


class TestErrorTranslation:
    @pytest.mark.parametrize("name", CALLS)
    async def test_every_error_of_the_vendor_becomes_unavailable(self, stored, name):
        for error in stored.faults.vendor_errors:
            stored.faults.fail_always(error)
            with pytest.raises(ViewsUnavailable):
                await CALLS[name](stored.views)


class TestProjection:
    """What stands on the port: every event counts once, whatever fails."""

    @pytest.fixture
    def events(self):
        factory = JobFactory()
        for state in ("completed", "failed", "retrying", "cancelled", "executing"):
            getattr(factory, state)()
        return factory.events

    def projection(self, stored):
        return Projection("stats", StatsView, fold_stats, store=stored.views, ids=SeededIds())

    def expected(self, events):
        view = StatsView()
        for event in events:
            fold_stats(view, event)
        return msgspec.json.encode(view)

    async def saved(self, stored):
        return (await stored.views.load("stats")).document

    async def test_events_that_were_seen_count_once(self, stored, events):
        projection = self.projection(stored)

        assert await projection.apply(events[:6]) == 6
        assert await projection.apply(events[3:]) == len(events) - 6
        assert await projection.apply(events) == 0

        assert await self.saved(stored) == self.expected(events)
        assert projection.checkpoint == len(events)

    async def test_a_restarted_projection_goes_on_where_the_save_was(self, stored, events):
        await self.projection(stored).apply(events[:6])
        stored.restart()
        again = self.projection(stored)
        await again.load()
        assert again.checkpoint == 6

        await again.apply(events)

        assert await self.saved(stored) == self.expected(events)

    async def test_a_save_that_failed_before_or_after_its_effect_counts_nothing_twice(self, stored, events):
        projection = self.projection(stored)
        await projection.apply(events[:2])
        for number in range(1, 4):
            stored.faults.fail_call(number)
            with pytest.raises(ViewsUnavailable):
                await projection.apply(events[:6])
        stored.faults.lose_next_commit()
        with pytest.raises(ViewsUnavailable):
            await projection.apply(events[:6])

        assert await projection.apply(events) == len(events) - 6
        assert await self.saved(stored) == self.expected(events)

    async def test_a_fold_that_fails_half_way_counts_nothing_twice(self, stored, events):
        is_broken = True

        def fold(view, event):
            if is_broken and event.position == 5:
                raise KeyError("status")
            return fold_stats(view, event)

        projection = Projection("stats", StatsView, fold, store=stored.views, ids=SeededIds())
        with pytest.raises(KeyError):
            await projection.apply(events)
        is_broken = False

        await projection.apply(events)

        assert await self.saved(stored) == self.expected(events)

    async def test_of_two_projections_of_one_view_the_slower_one_is_told(self, stored, events):
        one, two = self.projection(stored), self.projection(stored)
        await one.load()
        await two.load()
        await one.apply(events[:4])

        with pytest.raises(CheckpointMoved):
            await two.apply(events[:6])
        await two.apply(events)

        assert await self.saved(stored) == self.expected(events)

    async def test_a_gap_is_a_programmers_error(self, stored, events):
        projection = self.projection(stored)
        await projection.apply(events[:2])

        with pytest.raises(AssertionError):
            await projection.apply(events[3:])
