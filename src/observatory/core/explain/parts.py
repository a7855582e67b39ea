"""What is said of a part that does not work."""

from observatory.core.explain.elsewhere import DRAINING, NEVER_ANNOUNCED, NOT_HEARD_OF
from observatory.core.explain.explanation import Change
from observatory.core.explain.words import duration
from observatory.core.worker import Down


def how(part: Down) -> str:
    """In what way *part* does not work, and in which process, if that is another one."""
    if part.reason == NEVER_ANNOUNCED:
        return "no process that runs it was ever heard of"
    if part.instance_id is None or part.heartbeat_age_seconds is None:
        return part.reason
    process = f"the {part.role} process {part.pid} on {part.host}"
    if part.reason == NOT_HEARD_OF:
        return f"{process} was last heard of {duration(part.heartbeat_age_seconds)} ago"
    if part.reason == DRAINING:
        return f"{process} is about to stop, and no other one runs it"
    return f"{part.reason}, as {process} said {duration(part.heartbeat_age_seconds)} ago"


def again(part: Down, name: str) -> Change:
    """That *part* works again, whose *name* people know: what is not there, or soon will not be, has to be begun."""
    if part.reason not in (NEVER_ANNOUNCED, NOT_HEARD_OF, DRAINING):
        return Change(text=f"when {name} works again; the log of its process says why it does not")
    command = "odd-dashboard serve maintenance"
    if part.reason == DRAINING:
        return Change(
            text=f"when the process that stops has been begun anew, or another one runs {name}; "
            f"if nothing begins it anew:  {command}",
            command=command,
        )
    return Change(text=f"when a process that runs {name} is heard of again; to begin one:  {command}", command=command)
