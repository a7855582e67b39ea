"""Does each staged situation have the right code and evidence, through real services?"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from observatory.core import limits
from observatory.core.errors import LogUnavailable, StoreUnavailable
from observatory.core.explain.explanation import Code
from observatory.core.worker import Down
from observatory.maintenance.due_jobs import DueJobs
from observatory.maintenance.rescuer import Rescuer
from observatory.read_model.explaining import Explaining
from observatory.runtime.sources import SystemClock
from tests.conformance.postgres import PostgresEngine
from tests.surfaces.http.services import client, problem, world_over
from tests.surfaces.http.stage import Faulty, NoChance, Stage, open_stage, staged

NO_JOB = "00000000-0000-7000-8000-000000000000"
IN_A_MINUTE = "2026-01-01T00:01:00Z"

Staged = tuple[str, dict[str, Any]]
"""The job, and what its evidence holds among other things."""
STAGED: dict[Code, Callable[[Stage], Awaitable[Staged]]] = {}


def stages(code: Code) -> Callable[[Callable[[Stage], Awaitable[Staged]]], Callable[[Stage], Awaitable[Staged]]]:
    def register(staging: Callable[[Stage], Awaitable[Staged]]) -> Callable[[Stage], Awaitable[Staged]]:
        assert code not in STAGED
        STAGED[code] = staging
        return staging

    return register


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    async with open_stage(tmp_path) as stage:
        yield stage


@pytest.fixture(params=["sqlite", "postgres"])
async def each(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Stage]:
    """A stage over the drivers of each engine."""
    if request.param == "sqlite":
        async with open_stage(tmp_path) as stage:
            yield stage
        return
    engine = PostgresEngine(name="postgres", server=request.getfixturevalue("postgres_server"))
    truth = engine.open_truth(tmp_path)
    try:
        async with staged(world_over(truth)) as stage:
            yield stage
    finally:
        truth.end()
        engine.drop(tmp_path)


@pytest.mark.parametrize("code", STAGED)
async def test_a_staged_situation_has_its_code_and_its_evidence(each: Stage, code: Code) -> None:
    stage = each
    job_id, evidence = await STAGED[code](stage)

    found = await stage.explain(job_id)

    assert found["code"] == code, found["summary"]
    assert found["jobId"] == job_id
    assert {name: found["evidence"].get(name) for name in evidence} == evidence
    assert found["asOf"] == stage.world.clock.now().isoformat().replace("+00:00", "Z")


def test_every_code_is_staged() -> None:
    assert set(STAGED) == set(Code)


# --- not due --------------------------------------------------------------------------------------


@stages(Code.NOT_DUE)
async def not_due(stage: Stage) -> Staged:
    job_id = await stage.submit(runAt=IN_A_MINUTE)
    return job_id, {"runAt": IN_A_MINUTE, "dueInSeconds": 60.0}


@stages(Code.DUE_NOW)
async def due_now(stage: Stage) -> Staged:
    job_id = await stage.submit(runAt=IN_A_MINUTE)
    stage.world.clock.advance(60.0)
    return job_id, {"overdueSeconds": 0.0}


@stages(Code.DUE_LOOP_BEHIND)
async def due_loop_behind(stage: Stage) -> Staged:
    job_id = await stage.submit(runAt=IN_A_MINUTE)
    stage.world.clock.advance(65.0)
    return job_id, {"overdueSeconds": 5.0}


@stages(Code.DUE_LOOP_DOWN)
async def due_loop_down(stage: Stage) -> Staged:
    job_id = await stage.submit(runAt=IN_A_MINUTE)
    await stage.fails(DueJobs(store=Faulty(stage.world.store, "make_due"), bus=stage.world.bus))  # pyright: ignore[reportArgumentType] — broken on purpose
    stage.world.clock.advance(61.0)
    return job_id, {"overdueSeconds": 1.0, "down": [{"name": "due_jobs", "reason": "loop_fails"}]}


@stages(Code.SNOOZED)
async def snoozed(stage: Stage) -> Staged:
    job_id = await stage.run(await stage.processor(), type="snooze", payload={"in_s": 60.0})
    return job_id, {"attempt": 0, "runAt": IN_A_MINUTE, "dueInSeconds": 60.0}


@stages(Code.RETRY_WAITING)
async def retry_waiting(stage: Stage) -> Staged:
    job_id = await stage.run(await stage.processor(), type="retry", payload={"in_s": 60.0}, maxAttempts=3)
    wanted = {"attempt": 1, "maxAttempts": 3, "errorType": "Retry", "errorMessage": "the other side is busy"}
    return job_id, wanted | {"runAt": IN_A_MINUTE}


@stages(Code.THREAD_ABANDONED)
async def thread_abandoned(stage: Stage) -> Staged:
    worker = await stage.processor()
    job_id = await stage.stuck(worker, timeoutSeconds=0.05)
    await stage.ended(worker)
    await worker.settles.run_once()
    return job_id, {"attempt": 1, "errorType": "Abandoned", "timeoutSeconds": 0.05}


# --- waiting for a queue or a processor -----------------------------------------------------------


@stages(Code.QUEUE_PAUSED)
async def queue_paused(stage: Stage) -> Staged:
    await stage.post("/queues/mail/pause", {"by": "ann", "reason": "server down"})
    stage.world.clock.advance(3.0)
    wanted = {"queue": "mail", "pausedAt": "2026-01-01T00:00:00Z", "pausedBy": "ann", "pauseReason": "server down"}
    return await stage.submit(type="quick", queue="mail"), wanted


@stages(Code.TYPE_NEVER_ANNOUNCED)
async def type_never_announced(stage: Stage) -> Staged:
    await stage.processor()
    return await stage.submit(type="misspelt"), {"type": "misspelt", "typeSeenAt": None}


@stages(Code.NO_LIVE_PROCESSOR)
async def no_live_processor(stage: Stage) -> Staged:
    await stage.processor()
    stage.world.clock.advance(limits.LEASE_S + 1.0)
    return await stage.submit(type="quick"), {"type": "quick", "typeSeenAt": "2026-01-01T00:00:00Z"}


@stages(Code.PROCESSORS_DRAINING)
async def processors_draining(stage: Stage) -> Staged:
    await (await stage.processor()).drain()
    return await stage.submit(type="quick"), {"type": "quick"}


@stages(Code.QUEUE_AT_LIMIT)
async def queue_at_limit(stage: Stage) -> Staged:
    await stage.post("/queues/mail/concurrency", {"concurrencyMax": 1})
    worker = await stage.processor(slots=2)
    holder = await stage.stuck(worker, queue="mail")
    job_id = await stage.submit(type="quick", queue="mail")
    await worker.claims.run_once()
    return job_id, {"queue": "mail", "concurrencyMax": 1, "leased": 1, "leasedJobs": [holder]}


@stages(Code.CLAIMS_DOWN)
async def claims_down(stage: Stage) -> Staged:
    worker = await stage.processor(broken=("claim",))
    stage.here = worker.info.instance_id
    await stage.fails(worker.claims)
    return await stage.submit(type="quick"), {"down": [{"name": "processor_claims", "reason": "loop_fails"}]}


@stages(Code.SLOTS_ABANDONED)
async def slots_abandoned(stage: Stage) -> Staged:
    worker = await stage.processor()
    await stage.stuck(worker, timeoutSeconds=0.05, maxAttempts=1)
    await stage.ended(worker)
    await worker.settles.run_once()
    await stage.beats(worker, 1.0)
    job_id = await stage.submit(type="quick")
    await worker.claims.run_once()
    return job_id, {"slots": 1, "running": 0, "abandoned": 1}


@stages(Code.WAITING_BEHIND_OTHERS)
async def waiting_behind_others(stage: Stage) -> Staged:
    worker = await stage.processor()
    await stage.stuck(worker)
    await stage.submit(type="quick", priority=9)
    job_id = await stage.submit(type="quick")
    urgent = await stage.submit(type="quick", priority=0)
    return job_id, {"slots": 1, "running": 1, "pending": 3, "jobsAhead": 1, "firstAhead": urgent}


@stages(Code.PROCESSORS_BUSY)
async def processors_busy(stage: Stage) -> Staged:
    worker = await stage.processor(slots=2)
    await stage.stuck(worker)
    await stage.stuck(worker)
    return await stage.submit(type="quick"), {"slots": 2, "running": 2, "abandoned": 0, "jobsAhead": 0}


@stages(Code.PROCESSORS_DEAF)
async def processors_deaf(stage: Stage) -> Staged:
    worker = await stage.processor()
    job_id = await stage.submit(type="quick")
    await stage.beats(worker, 4.0)
    return job_id, {"readySeconds": 4.0, "slots": 1, "running": 0, "jobsAhead": 0}


@stages(Code.ABOUT_TO_BE_CLAIMED)
async def about_to_be_claimed(stage: Stage) -> Staged:
    await stage.processor()
    job_id = await stage.submit(type="quick")
    stage.world.clock.advance(0.5)
    return job_id, {"readySeconds": 0.5, "slots": 1, "running": 0}


# --- under a lease --------------------------------------------------------------------------------


@stages(Code.WAITING_FOR_SLOT)
async def waiting_for_slot(stage: Stage) -> Staged:
    worker = await stage.processor(prefetch=1)
    await stage.stuck(worker)
    job_id = await stage.submit(type="quick")
    await worker.claims.run_once()
    return job_id, {"worker": worker.info.instance_id, "leaseExpiresAt": "2026-01-01T00:00:15Z"}


@stages(Code.RUNNING)
async def running(stage: Stage) -> Staged:
    worker = await stage.processor()
    job_id = await stage.stuck(worker, maxAttempts=3)
    await stage.beats(worker, 5.0)
    stage.world.clock.advance(2.0)
    wanted = {"worker": worker.info.instance_id, "attempt": 1, "maxAttempts": 3, "runSeconds": 7.0}
    return job_id, wanted | {"heartbeatAgeSeconds": 2.0, "leaseExpiresAt": "2026-01-01T00:00:20Z"}


@stages(Code.RUNNING_LONG)
async def running_long(stage: Stage) -> Staged:
    worker = await stage.processor()
    for _ in range(limits.EXPLAIN_RUNS_MIN):
        before = await stage.submit(type="stuck.thread")
        stage.gate(before).opened.set()
        await worker.claims.run_once()
        await stage.ended(worker)
        stage.world.clock.advance(0.5)
        await worker.settles.run_once()
    job_id = await stage.stuck(worker)
    await stage.beats(worker, 1.0)
    return job_id, {"runSeconds": 1.0, "usualSeconds": 0.5, "runsCompared": 20}


@stages(Code.HEARTBEAT_LATE)
async def heartbeat_late(stage: Stage) -> Staged:
    worker = await stage.processor()
    job_id = await stage.stuck(worker)
    stage.world.clock.advance(11.0)
    return job_id, {"heartbeatAgeSeconds": 11.0, "leaseOverdueSeconds": None}


@stages(Code.RESCUE_DUE)
async def rescue_due(stage: Stage) -> Staged:
    worker = await stage.processor()
    job_id = await stage.stuck(worker)
    stage.world.clock.advance(limits.LEASE_S + 0.5)
    return job_id, {"worker": worker.info.instance_id, "leaseOverdueSeconds": 0.5}


@stages(Code.RESCUER_BEHIND)
async def rescuer_behind(stage: Stage) -> Staged:
    worker = await stage.processor()
    job_id = await stage.stuck(worker)
    stage.world.clock.advance(limits.LEASE_S + 30.0)
    return job_id, {"leaseOverdueSeconds": 30.0}


@stages(Code.RESCUER_DOWN)
async def rescuer_down(stage: Stage) -> Staged:
    worker, world = await stage.processor(), stage.world
    job_id = await stage.stuck(worker)
    store: Any = Faulty(world.store, "expired_leases")
    rescuer = Rescuer(store=store, queries=world.queries, bus=world.bus, clock=SystemClock(), randomness=NoChance())
    await stage.fails(rescuer)
    world.clock.advance(limits.LEASE_S)
    return job_id, {"leaseOverdueSeconds": 0.0, "down": [{"name": "rescuer", "reason": "loop_fails"}]}


@stages(Code.OUTCOME_BEING_RECORDED)
async def outcome_being_recorded(stage: Stage) -> Staged:
    worker = await stage.processor()
    job_id = await stage.submit(type="quick")
    await worker.claims.run_once()
    await stage.ended(worker)
    await stage.beats(worker, 2.0)
    return job_id, {"worker": worker.info.instance_id, "heartbeatAgeSeconds": 0.0}


@stages(Code.SETTLES_DOWN)
async def settles_down(stage: Stage) -> Staged:
    worker = await stage.processor(broken=("apply",))
    stage.here = worker.info.instance_id
    job_id = await stage.submit(type="quick")
    await worker.claims.run_once()
    await stage.ended(worker)
    await stage.fails(worker.settles)
    await stage.beats(worker, 2.0)
    return job_id, {"down": [{"name": "processor_settles", "reason": "loop_fails"}]}


@stages(Code.PAST_DEADLINE)
async def past_deadline(stage: Stage) -> Staged:
    worker = await stage.processor()
    job_id = await stage.stuck(worker, timeoutSeconds=100.0)
    for _ in range(11):
        await stage.beats(worker, 10.0)
    return job_id, {"deadline": "2026-01-01T00:01:40Z", "runSeconds": 110.0, "timeoutSeconds": 100.0}


@stages(Code.CANCEL_NOT_HEARD)
async def cancel_not_heard(stage: Stage) -> Staged:
    job_id = await stage.stuck(await stage.processor())
    stage.world.clock.advance(1.0)
    await stage.post(f"/jobs/{job_id}/cancel")
    return job_id, {"cancelRequestedAt": "2026-01-01T00:00:01Z", "cancelAgeSeconds": 0.0}


@stages(Code.CANCEL_UNANSWERED)
async def cancel_unanswered(stage: Stage) -> Staged:
    worker = await stage.processor()
    job_id = await stage.stuck(worker)
    await stage.post(f"/jobs/{job_id}/cancel")
    await stage.beats(worker, 5.0)
    return job_id, {"cancelAgeSeconds": 5.0, "deadline": "2026-01-01T00:05:00Z"}


# --- final ----------------------------------------------------------------------------------------


@stages(Code.COMPLETED)
async def completed(stage: Stage) -> Staged:
    job_id = await stage.run(await stage.processor(), type="quick")
    return job_id, {"attempt": 1, "finishedAt": "2026-01-01T00:00:00Z", "retriedBy": None}


@stages(Code.PAYLOAD_REFUSED)
async def payload_refused(stage: Stage) -> Staged:
    job_id = await stage.submit(type="typed", payload={"path": 5})
    worker = await stage.processor()
    await worker.claims.run_once()
    await stage.ended(worker)
    await worker.settles.run_once()
    return job_id, {"attempt": 0, "errorType": "InvalidPayload", "pointer": "/payload/path"}


@stages(Code.DISCARDED)
async def discarded(stage: Stage) -> Staged:
    job_id = await stage.run(await stage.processor(), type="discard", maxAttempts=3)
    wanted = {"attempt": 1, "maxAttempts": 3, "errorType": "Discard"}
    return job_id, wanted | {"errorMessage": "nobody will ever want this"}


@stages(Code.ATTEMPTS_USED_UP)
async def attempts_used_up(stage: Stage) -> Staged:
    job_id = await stage.run(await stage.processor(), type="raise", payload={"message": "no disk"}, maxAttempts=1)
    await stage.post(f"/jobs/{job_id}/retry")
    again = await stage.world.selections.retry_of(job_id)
    wanted = {"attempt": 1, "maxAttempts": 1, "errorType": "Broken", "errorMessage": "no disk"}
    return job_id, wanted | {"retriedBy": again}


@stages(Code.CANCELLED)
async def cancelled(stage: Stage) -> Staged:
    job_id = await stage.submit()
    await stage.post(f"/jobs/{job_id}/cancel")
    return job_id, {"attempt": 0, "finishedAt": "2026-01-01T00:00:00Z"}


# --- what changes it ------------------------------------------------------------------------------


async def test_what_changes_it_does_change_it(stage: Stage) -> None:
    worker = await stage.processor()
    await stage.post("/queues/mail/pause", {})
    job_id = await stage.submit(type="quick", queue="mail", runAt=IN_A_MINUTE)
    codes = []

    async def note() -> None:
        found = await stage.explain(job_id)
        codes.append([found["code"], *found.get("also", [])])

    await note()
    await stage.beats(worker, 60.0)
    await stage.world.store.make_due(count_max=1)
    await note()
    assert (await stage.explain(job_id))["change"]["command"] == "odd-dashboard queues resume mail"
    await stage.post("/queues/mail/resume")
    await note()
    await worker.claims.run_once()
    await note()
    await stage.ended(worker)
    await worker.settles.run_once()
    await note()

    assert codes == [["not_due", "queue_paused"], ["queue_paused"], ["about_to_be_claimed"], ["running"], ["completed"]]


async def test_a_delayed_job_says_what_will_be_in_its_way(stage: Stage) -> None:
    job_id = await stage.submit(type="nobody", runAt=IN_A_MINUTE)

    assert (await stage.explain(job_id))["also"] == ["type_never_announced"]


async def test_a_limit_that_is_reached_by_others_holds_up_nobody_behind_it(stage: Stage) -> None:
    worker = await stage.processor(slots=2)
    await stage.post("/queues/mail/concurrency", {"concurrencyMax": 1})
    await stage.stuck(worker, queue="mail")
    await stage.submit(type="quick", queue="mail", priority=0)

    found = await stage.explain(await stage.submit(type="quick"))

    assert (found["code"], found["evidence"]["jobsAhead"]) == ("about_to_be_claimed", 0)


async def test_where_too_much_waits_it_is_not_counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await stage.processor()
    await stage.stuck(worker)
    job_id = [await stage.submit(type="quick") for _ in range(4)][-1]
    monkeypatch.setattr(limits, "PAGE_ITEMS_MAX", 3)

    found = await stage.explain(job_id)

    assert found["code"] == "waiting_behind_others"
    assert found["summary"].startswith("It is one of 4 PENDING jobs;")
    assert "jobsAhead" not in found["evidence"]


async def test_what_waits_where_nothing_is_claimed_is_not_ahead_of_it(
    each: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await each.processor(slots=2)
    await each.post("/queues/mail/pause", {})
    await each.post("/queues/print/concurrency", {"concurrencyMax": 1})
    await each.stuck(worker, queue="print")
    for queue in ("mail", "print"):
        for _ in range(3):
            await each.submit(type="quick", queue=queue, priority=0)
    monkeypatch.setattr(limits, "PAGE_ITEMS_MAX", 5)
    urgent = await each.submit(type="quick", priority=1)
    job_id = await each.submit(type="quick")

    found = await each.explain(job_id)

    assert found["code"] == "waiting_behind_others"
    assert (found["evidence"]["jobsAhead"], found["evidence"]["firstAhead"]) == (1, urgent)
    assert (await each.explain(urgent))["code"] == "about_to_be_claimed"


@pytest.mark.parametrize(
    "code", [Code.QUEUE_PAUSED, Code.NO_LIVE_PROCESSOR, Code.PROCESSORS_DRAINING, Code.CLAIMS_DOWN]
)
async def test_a_worse_reason_comes_before_all_that_waits_as_well(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, code: Code
) -> None:
    job_id, _ = await STAGED[code](stage)
    if code is Code.QUEUE_PAUSED:
        await stage.processor()  # that would claim it, were it not for the pause
    queue = (await stage.job(job_id)).queue
    for _ in range(5):
        await stage.submit(type="quick", queue=queue, priority=0)
    monkeypatch.setattr(limits, "PAGE_ITEMS_MAX", 3)

    assert (await stage.explain(job_id))["code"] == code


# --- what other processes do ----------------------------------------------------------------------

MAINTENANCE = ("relay", "due_jobs", "rescuer", "scheduler", "pruner")


async def overdue(stage: Stage) -> str:
    job_id = await stage.submit(runAt=IN_A_MINUTE)
    stage.world.clock.advance(61.0)
    return job_id


def of(found: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((one for one in found["evidence"].get("down", []) if one["name"] == name), None)


async def test_a_loop_that_no_process_ever_ran_is_the_reason(each: Stage) -> None:
    each.is_alone = False
    await each.heard_of("metrics-engine", loops=("metrics_engine",))

    found = await each.explain(await overdue(each))

    assert found["code"] == "due_loop_down"
    assert of(found, "due_jobs") == {"name": "due_jobs", "reason": "never_announced"}
    assert found["change"]["command"] == "odd-dashboard serve maintenance"


async def test_a_process_that_is_not_heard_of_any_more_is_named_with_all_that_it_ran(each: Stage) -> None:
    each.is_alone = False
    await each.heard_of(loops=MAINTENANCE)
    await each.heard_of("metrics-engine", loops=("metrics_engine",))

    found = await each.explain(await overdue(each))

    assert found["code"] == "due_loop_down"
    process = {"role": "maintenance", "instanceId": "maintenance-1", "host": "elsewhere", "pid": 77}
    assert of(found, "due_jobs") == {
        "name": "due_jobs", "reason": "not_heard_of", "heartbeatAgeSeconds": 61.0
    } | process  # fmt: skip
    assert [one["name"] for one in found["evidence"]["down"]] == [*MAINTENANCE, "metrics_engine"]
    assert "the maintenance process 77 on elsewhere was last heard of 1 min 1 s ago" in found["summary"]


async def test_a_process_that_drains_is_there_and_its_loops_need_another_one(each: Stage) -> None:
    each.is_alone = False
    job_id = await overdue(each)
    await each.heard_of(loops=MAINTENANCE, is_draining=True)
    each.world.clock.advance(1.0)

    found = await each.explain(job_id)

    part = of(found, "due_jobs") or {}
    assert (found["code"], part["reason"], part["heartbeatAgeSeconds"]) == ("due_loop_down", "draining", 1.0)
    assert "the maintenance process 77 on elsewhere is about to stop, and no other one runs it" in found["summary"]
    assert found["change"]["text"].startswith("when the process that stops has been begun anew, or another one runs")
    assert found["change"]["command"] == "odd-dashboard serve maintenance"


async def test_a_loop_that_fails_elsewhere_is_the_reason_unless_another_process_runs_it(each: Stage) -> None:
    each.is_alone = False
    job_id = await overdue(each)
    await each.heard_of(loops=MAINTENANCE, down=(Down(name="due_jobs", reason="loop_hangs"),))

    broken = await each.explain(job_id)
    await each.heard_of(instance_id="maintenance-2", loops=MAINTENANCE)
    mended = await each.explain(job_id)
    await each.heard_of(instance_id="maintenance-2", loops=MAINTENANCE, is_draining=True)

    assert (broken["code"], (of(broken, "due_jobs") or {})["reason"]) == ("due_loop_down", "loop_hangs")
    assert (mended["code"], of(mended, "due_jobs")) == ("due_now", None)
    assert (await each.explain(job_id))["code"] == "due_loop_down"


async def test_the_rescuer_of_another_process_is_the_reason_when_a_lease_has_ended(each: Stage) -> None:
    each.is_alone = False
    job_id = await each.stuck(await each.processor())
    each.world.clock.advance(limits.LEASE_S)
    await each.heard_of(loops=MAINTENANCE, down=(Down(name="rescuer", reason="loop_fails"),))

    found = await each.explain(job_id)

    assert found["code"] == "rescuer_down"
    assert (of(found, "rescuer") or {})["instanceId"] == "maintenance-1"


async def test_claims_that_fail_in_every_processor_elsewhere_are_the_reason(each: Stage) -> None:
    down = (Down(name="processor_claims", reason="loop_fails"),)
    await each.heard_of("processor", slots=2, types=("quick",), down=down)
    job_id = await each.submit(type="quick")

    broken = await each.explain(job_id)
    await each.heard_of("processor", instance_id="processor-2", slots=2, types=("quick",))

    assert (broken["code"], (of(broken, "processor_claims") or {})["pid"]) == ("claims_down", 77)
    mended = await each.explain(job_id)
    assert (mended["code"], mended["evidence"]["slots"]) == ("about_to_be_claimed", 2)


async def test_an_outcome_that_its_processor_elsewhere_cannot_record_is_the_reason(each: Stage) -> None:
    worker = await each.processor()
    job_id = await each.submit(type="quick")
    await worker.claims.run_once()
    await each.ended(worker)
    each.world.clock.advance(2.0)
    down = (Down(name="processor_settles", reason="loop_fails"),)
    await each.heard_of("processor", instance_id=worker.info.instance_id, slots=1, types=worker.info.types, down=down)

    found = await each.explain(job_id)

    assert (found["code"], (of(found, "processor_settles") or {})["reason"]) == ("settles_down", "loop_fails")


async def test_a_relay_that_does_not_keep_up_is_named_and_is_not_the_reason(each: Stage) -> None:
    await each.publish()
    each.relays = False
    job_id = await each.submit(type="nobody")
    each.world.clock.advance(limits.EXPLAIN_RELAY_LATE_S)
    before = await each.explain(job_id)
    each.world.clock.advance(1.0)

    found = await each.explain(job_id)

    assert of(before, "relay") is None
    assert found["code"] == "type_never_announced"
    assert of(found, "relay") == {"name": "relay", "reason": "behind", "behindSeconds": 6.0}


async def test_only_processors_are_listed_as_workers(stage: Stage) -> None:
    await stage.heard_of(loops=MAINTENANCE)
    worker = await stage.processor()

    async with client(stage.world.read_model()) as http:
        items = (await http.get("/workers")).json()["items"]

    assert [one["instanceId"] for one in items] == [worker.info.instance_id]


# --- when something is missing --------------------------------------------------------------------


async def test_a_job_that_does_not_exist_is_404(stage: Stage) -> None:
    answer = await stage.asked(NO_JOB)

    assert (answer.status_code, problem(answer)["code"]) == (404, "unknown_job")


async def test_a_damaged_row_is_a_problem_that_says_so(stage: Stage) -> None:
    job_id = await stage.submit()
    await stage.world.file.write(
        lambda connection: connection.execute("UPDATE jobs SET payload = 'zzz' WHERE id = ?", (job_id,))
    )

    answer = await stage.asked(job_id)

    assert (answer.status_code, problem(answer)["code"]) == (500, "row_unreadable")
    assert job_id in problem(answer)["detail"]


async def test_a_damaged_job_beside_it_holds_up_no_explanation(stage: Stage) -> None:
    worker = await stage.processor()
    bad = await stage.stuck(worker)
    await stage.beats(worker, 1.0)
    job_id = await stage.submit(type="quick")
    await stage.world.file.write(
        lambda connection: connection.execute("UPDATE jobs SET payload = 'zzz' WHERE id = ?", (bad,))
    )

    found = await stage.explain(job_id)

    assert found["code"] == "processors_busy"


@pytest.mark.parametrize("method", ["job", "processes", "types", "queue_depths", "jobs"])
async def test_a_store_that_does_not_answer_is_503_and_named(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    job_id = await stage.submit()

    async def fail(*_args: Any, **_options: Any) -> Any:
        raise StoreUnavailable("locked")

    monkeypatch.setattr(stage.world.queries, method, fail)
    answer = await stage.asked(job_id)

    assert (answer.status_code, problem(answer)["code"]) == (503, "store_unavailable")
    assert answer.headers["retry-after"] == str(limits.RETRY_AFTER_S)


async def test_an_event_log_that_does_not_answer_is_named_and_the_job_is_explained(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await stage.run(await stage.processor(), type="discard", maxAttempts=3)

    async def fail(*_args: Any, **_options: Any) -> Any:
        raise LogUnavailable("away")

    monkeypatch.setattr(stage.world.log, "of_job", fail)
    found = await stage.explain(job_id)

    assert found["code"] == "discarded"
    assert found["evidence"]["down"] == [{"name": "event_log", "reason": "log_unavailable"}]
    assert found["evidence"]["historyIsBehind"] is True


async def test_a_job_that_changes_while_it_is_looked_up_is_looked_up_again(stage: Stage) -> None:
    worker, world = await stage.processor(), stage.world
    job_id = await stage.submit(type="stuck.thread")
    stage.gate(job_id)

    class ClaimsMeanwhile(Faulty):
        """While the processors are looked up for the first time, one of them takes the job."""

        async def processes(self) -> Any:
            await worker.claims.run_once()
            return await world.queries.processes()

    queries: Any = ClaimsMeanwhile(world.queries)
    explaining = Explaining(queries, world.queues, world.selections, world.schedules, world.log, outbox=world.outbox)

    found = await explaining.explanation(job_id)

    assert (found.status, found.code) == ("EXECUTING", Code.RUNNING)


async def test_an_explanation_changes_nothing(stage: Stage) -> None:
    job_id = await stage.run(await stage.processor(), type="quick")
    before = await stage.job(job_id), await stage.world.stored()

    for _ in range(2):
        await stage.explain(job_id)

    assert (await stage.job(job_id), await stage.world.stored()) == before


async def test_a_token_is_asked_for_where_reads_need_one(stage: Stage) -> None:
    async with client(stage.world.read_model(reads_need_token=True), headers={}) as http:
        assert (await http.get(f"/jobs/{NO_JOB}/explain")).status_code == 401
