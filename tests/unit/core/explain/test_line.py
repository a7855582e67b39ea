"""Are those counted as ahead that a claim really takes before?"""

from observatory.core.explain.line import claimed_before
from observatory.core.job import Job
from observatory.core.queue import QueueSetting
from observatory.testing.factories import JobFactory
from observatory.testing.manual_sources import BEGINNING


def before(job: Job, accepted: list[Job], *settings: QueueSetting, **leased: int) -> list[str]:
    newest_first = list(reversed(accepted))
    found = claimed_before(job, newest_first, types=("example", "other"), settings=settings, leased=leased)
    return [one.id for one in found]


def test_priority_goes_before_due_time_and_due_time_before_acceptance() -> None:
    factory = JobFactory()
    same_first = factory.pending().job
    job = factory.pending().job
    same_later = factory.pending().job
    urgent = factory.pending(priority=0).job
    factory.clock.advance(1.0)
    later = factory.pending().job
    lazy = factory.pending(priority=9).job

    accepted = [same_first, job, same_later, urgent, later, lazy]

    assert before(job, accepted) == [urgent.id, same_first.id]
    assert before(lazy, accepted) == [urgent.id, same_first.id, job.id, same_later.id, later.id]


def test_what_its_processors_would_not_claim_is_not_before_it() -> None:
    factory = JobFactory()
    unknown = factory.pending(type="unknown").job
    other = factory.pending(type="other").job
    paused = factory.pending(queue="paused").job
    full = factory.pending(queue="full").job
    fits, too_many = (factory.pending(queue="narrow").job for _ in range(2))
    job = factory.pending().job
    settings = (
        QueueSetting(queue="paused", paused_at=BEGINNING, paused_by="ann"),
        QueueSetting(queue="full", concurrency_max=1),
        QueueSetting(queue="narrow", concurrency_max=2),
    )

    found = before(job, [unknown, other, paused, full, fits, too_many, job], *settings, full=1, narrow=1)

    assert found == [other.id, fits.id]


def test_a_job_that_is_gone_meanwhile_has_nobody_before_it() -> None:
    factory = JobFactory()
    waiting, gone = factory.pending().job, factory.pending().job

    assert before(gone, [waiting]) == []
