"""The lifecycle a second time, as plain dicts and ifs, written from the prose of the table and not from our code."""

LEASE_LOST = "lease lost"
ILLEGAL = "illegal"
FINAL = ("COMPLETED", "FAILED", "CANCELLED")


def accepted(now, *, due_at, max_attempts):
    is_later = due_at > now
    return {
        "status": "SCHEDULED" if is_later else "PENDING",
        "due_at": due_at if is_later else now,
        "attempt": 0,
        "max_attempts": max_attempts,
        "fence": 0,
        "lease_ends": None,
        "fraction": None,
        "cancel": False,
        "events": ["job.created"],
    }


def after(job, verb, now, **given):
    """What *verb* makes of *job*: the new job with the events of this step, or the word for its refusal."""
    new = dict(job, events=[])
    if verb == "become_due":
        return became_due(new, now)
    if verb == "claim":
        return claimed(new, now, **given)
    if verb == "cancel":
        return cancelled(new)
    if job["status"] not in ("VALIDATED", "EXECUTING") or given["fence"] != job["fence"]:
        return LEASE_LOST
    if verb == "rescue":
        return rescued(new, now, given["retry_in"])
    if verb == "refuse":
        spent = job["attempt"] - (job["status"] == "EXECUTING")
        return dict(new, status="FAILED", attempt=spent, lease_ends=None, events=["job.failed"])
    if job["status"] == "VALIDATED":
        return before_its_start(new, verb)
    return during_its_attempt(new, verb, now, given["retry_in"], given["fraction"])


def became_due(new, now):
    if new["status"] not in ("SCHEDULED", "RETRYING") or now < new["due_at"]:
        return ILLEGAL
    return dict(new, status="PENDING", events=["job.queued"])


def claimed(new, now, *, lease, buffered, **_):
    if new["status"] != "PENDING":
        return ILLEGAL
    new.update(fence=new["fence"] + 1, lease_ends=now + lease, fraction=None, events=["job.validated"])
    if buffered:
        return dict(new, status="VALIDATED")
    return dict(new, status="EXECUTING", attempt=new["attempt"] + 1)


def cancelled(new):
    if new["status"] in FINAL:
        return ILLEGAL
    if new["status"] == "EXECUTING":
        return new if new["cancel"] else dict(new, cancel=True, events=["job.cancel_requested"])
    if new["status"] == "VALIDATED":
        new.update(fence=new["fence"] + 1, lease_ends=None)
    return dict(new, status="CANCELLED", events=["job.cancelled"])


def rescued(new, now, retry_in):
    if now < new["lease_ends"]:
        return LEASE_LOST
    new.update(fence=new["fence"] + 1, lease_ends=None)
    if new["status"] == "VALIDATED":
        return dict(new, status="PENDING", events=["job.queued"])
    return ended_badly(new, now, retry_in)


def before_its_start(new, verb):
    if verb == "start":
        return dict(new, status="EXECUTING", attempt=new["attempt"] + 1, events=["job.started"])
    if verb == "release":
        return dict(new, status="PENDING", lease_ends=None, events=["job.queued"])
    return ILLEGAL


def during_its_attempt(new, verb, now, retry_in, fraction):
    if verb == "start":
        return ILLEGAL
    if verb == "report":
        return new if fraction == new["fraction"] else dict(new, fraction=fraction, events=["job.progressed"])
    new["lease_ends"] = None
    if verb == "succeed":
        return dict(new, status="COMPLETED", events=["job.executed", "job.completed"])
    if verb == "fail":
        return ended_badly(new, now, retry_in)
    new["attempt"] -= 1  # released and snoozed attempts are taken back
    if new["cancel"]:
        return dict(new, status="CANCELLED", events=["job.executed", "job.cancelled"])
    if verb == "release":
        return dict(new, status="PENDING", events=["job.executed", "job.queued"])
    return dict(new, status="RETRYING", due_at=now + retry_in, events=["job.executed", "job.retried"])


def ended_badly(new, now, retry_in):
    if new["cancel"]:
        return dict(new, status="CANCELLED", events=["job.executed", "job.cancelled"])
    if retry_in is None or new["attempt"] >= new["max_attempts"]:
        return dict(new, status="FAILED", events=["job.executed", "job.failed"])
    return dict(new, status="RETRYING", due_at=now + retry_in, events=["job.executed", "job.retried"])
