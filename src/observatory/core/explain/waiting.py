"""Why a PENDING job waits: for its queue, or for a processor that knows its type and has a free slot."""

from observatory.core import limits
from observatory.core.explain.explanation import Change, Evidence, Finding
from observatory.core.explain.parts import how
from observatory.core.explain.processors import free_slots, parts_down, seen_processors, slots_of
from observatory.core.explain.situation import CLAIM_LOOP, Situation
from observatory.core.explain.words import counted, duration, instant, kept, quoted
from observatory.core.queue import Admission
from observatory.core.worker import WorkerInfo

# --- what no processor can change -----------------------------------------------------------------


def queue_paused(seen: Situation) -> Finding | None:
    """Somebody paused its queue."""
    setting = seen.setting
    if setting.paused_at is None:
        return None
    because = f": {quoted(setting.pause_reason)}" if setting.pause_reason else ""
    command = f"odd-dashboard queues resume {setting.queue}"
    return Finding(
        summary=f"Its queue {setting.queue} has been paused since {instant(setting.paused_at)} "
        f"({duration(seen.age_s(setting.paused_at))}) by {quoted(setting.paused_by or 'somebody')}{because}.",
        evidence=Evidence(
            queue=setting.queue,
            paused_at=setting.paused_at,
            paused_by=setting.paused_by,
            pause_reason=kept(setting.pause_reason),
        ),
        change=Change(text=f"when somebody resumes the queue: {command}", command=command),
    )


def type_never_announced(seen: Situation) -> Finding | None:
    """No processor ever said that it knows its type."""
    if _was_announced(seen):
        return None
    return Finding(
        summary=f"No processor has ever announced the type {seen.job.type}: it may be misspelt, or its application "
        "was never started.",
        evidence=Evidence(type=seen.job.type, processors=seen_processors(seen, _live(seen))),
        change=Change(
            text=f"when a processor starts whose application has the type {seen.job.type}; "
            "which types are known:  odd-dashboard types"
        ),
    )


def no_live_processor(seen: Situation) -> Finding | None:
    """Some processor knew its type once, and none that does is live."""
    if seen.knowing or not _was_announced(seen):
        return None
    gone = tuple(one for one in seen.workers if seen.job.type in one.types)
    age_s = next((age for one in gone if (age := one.heartbeat_age_s(seen.now)) is not None), None)
    last = "" if age_s is None else f"; the last one that did was heard of {duration(age_s)} ago"
    return Finding(
        summary=f"No live processor knows the type {seen.job.type}{last}. "
        f"{counted(len(_live(seen)), 'live processor')} of other types.",
        evidence=Evidence(
            type=seen.job.type,
            type_seen_at=seen.type_seen_at,
            processors=seen_processors(seen, gone),
        ),
        change=Change(text=f"when a processor for the type {seen.job.type} starts"),
    )


def processors_draining(seen: Situation) -> Finding | None:
    """Every live processor of its type claims nothing more."""
    if not seen.knowing or seen.willing:
        return None
    return Finding(
        summary=f"Every live processor of the type {seen.job.type} is about to stop and claims nothing more "
        f"({counted(len(seen.knowing), 'processor')}).",
        evidence=Evidence(
            type=seen.job.type,
            type_seen_at=seen.type_seen_at,
            processors=seen_processors(seen, seen.knowing),
        ),
        change=Change(text=f"when another processor for the type {seen.job.type} starts"),
    )


def queue_at_limit(seen: Situation) -> Finding | None:
    """As many jobs of its queue are under a lease as may be."""
    most = seen.setting.concurrency_max
    if most is None:
        return None
    queue = seen.setting.queue
    if Admission(concurrency_max={queue: most}, leased={queue: seen.leased}, count_max=1).admits(queue):
        return None
    named = ", ".join(seen.leased_jobs[:3]) + (", …" if seen.leased > len(seen.leased_jobs[:3]) else "")
    command = f"odd-dashboard queues limit {queue} NUMBER"
    return Finding(
        summary=f"Its queue {queue} may have {counted(most, 'job')} under a lease at the same time, and "
        f"{seen.leased} are: {named}.",
        evidence=Evidence(queue=queue, concurrency_max=most, leased=seen.leased, leased_jobs=seen.leased_jobs),
        change=Change(text=f"when one of these jobs ends, or the limit is raised: {command}", command=command),
    )


# --- what the processors do -----------------------------------------------------------------------


def claims_down(seen: Situation) -> Finding | None:
    """There are processors that would claim it, and the claims of none of them work."""
    if not seen.willing or seen.claiming:
        return None
    parts = [part for one in seen.willing if (part := seen.down_of(one, CLAIM_LOOP)) is not None]
    return Finding(
        summary=f"{counted(len(seen.willing), 'processor')} of the type {seen.job.type} cannot claim: the loop does "
        f"not work ({how(parts[0])}).",
        evidence=_evidence(seen),
        change=Change(text="when the claims of such a processor work again; its log says why they do not"),
    )


def slots_abandoned(seen: Situation) -> Finding | None:
    """All slots are taken, at least half of them by threads that were left behind."""
    abandoned, slots = sum(one.abandoned for one in seen.claiming), slots_of(seen)
    if not seen.claiming or free_slots(seen) > 0 or abandoned * 2 < slots or not abandoned:
        return None
    return Finding(
        summary=f"{abandoned} of the {counted(slots, 'slot')} for the type {seen.job.type} are held by threads that "
        "passed their time-out and cannot be stopped; the rest is taken.",
        evidence=_evidence(seen),
        change=Change(
            text="when these threads end by themselves, or their processor is started anew; "
            "a type with runs_in process can be stopped"
        ),
    )


def waiting_behind_others(seen: Situation) -> Finding | None:
    """Other jobs are claimed first."""
    line = seen.line
    if not seen.claiming or line.ahead == 0:
        return None
    if line.ahead is None:
        before = f"It is one of {line.pending} PENDING jobs"
    else:
        before = f"{counted(line.ahead, 'job')} of a more urgent priority, or due earlier, will be claimed before it"
    slots, free = slots_of(seen), free_slots(seen)
    return Finding(
        summary=f"{before}; {free} of the {counted(slots, 'slot')} for the type {seen.job.type} are free.",
        evidence=_evidence(seen),
        change=Change(text="when those before it were claimed and a slot is free; more slots or processors help"),
    )


def processors_busy(seen: Situation) -> Finding | None:
    """It is next, and no slot is free."""
    if not seen.claiming or free_slots(seen) > 0:
        return None
    running = sum(seen.running_on(one) for one in seen.claiming)
    abandoned = sum(one.abandoned for one in seen.claiming)
    left = f", {abandoned} by threads that were left behind" if abandoned else ""
    return Finding(
        summary=f"All of the {counted(slots_of(seen), 'slot')} for the type {seen.job.type} are taken: {running} by "
        f"running attempts{left}.",
        evidence=_evidence(seen),
        change=Change(text="when one of these attempts ends"),
    )


def processors_deaf(seen: Situation) -> Finding | None:
    """It is next, a slot is free, and yet nobody has claimed it for longer than it takes a processor to look."""
    ready_s = seen.age_s(seen.job.updated_at)
    if not seen.claiming or ready_s <= limits.EXPLAIN_DEAF_S:
        return None
    return Finding(
        summary=f"It has been ready for {duration(ready_s)} and is next, and {free_slots(seen)} of the "
        f"{counted(slots_of(seen), 'slot')} for the type {seen.job.type} seem free, but no processor claims it: "
        "they send heartbeats and seem to be deaf.",
        evidence=_evidence(seen),
        change=Change(
            text=f"within {limits.POLL_S:g} s if what it waited for has ended only now; else look at the log and "
            "/readyz of these processors, and start them anew"
        ),
    )


def about_to_be_claimed(seen: Situation) -> Finding:
    """Nothing is in its way."""
    ready_s = seen.age_s(seen.job.updated_at)
    return Finding(
        summary=f"It has been ready for {duration(ready_s)} and nothing is in its way: a processor claims it within "
        f"{limits.POLL_S:g} s.",
        evidence=_evidence(seen),
        change=Change(text=f"at the next look of a processor, at most {limits.POLL_S:g} s after the last one"),
    )


def _was_announced(seen: Situation) -> bool:
    return seen.type_seen_at is not None or any(seen.job.type in one.types for one in seen.workers)


def _live(seen: Situation) -> tuple[WorkerInfo, ...]:
    return tuple(one for one in seen.workers if one.is_alive(seen.now))


def _evidence(seen: Situation) -> Evidence:
    job = seen.job
    return Evidence(
        type=job.type,
        queue=job.queue,
        priority=job.priority,
        run_at=job.run_at,
        ready_at=job.updated_at,
        ready_seconds=seen.age_s(job.updated_at),
        processors=seen_processors(seen, seen.claiming or seen.willing),
        slots=slots_of(seen),
        running=sum(seen.running_on(one) for one in seen.claiming),
        abandoned=sum(one.abandoned for one in seen.claiming),
        pending=seen.line.pending,
        jobs_ahead=seen.line.ahead,
        first_ahead=seen.line.first_ahead,
        down=parts_down(seen, seen.willing),
    )
