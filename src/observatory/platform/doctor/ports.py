"""The three ports: free, ours, or taken."""

import errno
from functools import partial

from observatory.client.data_folder import Running
from observatory.platform.doctor.examine import Check
from observatory.platform.doctor.listeners import listener_of, why_not_free
from observatory.platform.doctor.report import Finding, fail, ok, skip
from observatory.platform.doctor.subject import Port, Subject, service_at

BLOCK_FIRST, BLOCK_LAST, BLOCK_STEP = 13_000, 13_990, 10
"""Where a block of free ports is looked for."""

SERVICES = ("gateway", "read-model", "web")


def look_at_port(service: str, subject: Subject) -> Finding:
    if subject.owner.answers and subject.owner.running is not None:
        return _ours(service, subject.owner.running)
    if subject.ports is None:
        return skip("not known: the settings cannot be used")
    port = next(port for port in subject.ports if port.service == service)
    if port.number == 0:
        return ok("a free one is taken at the start")
    error = why_not_free(subject.host, port.number)
    if error is None:
        return ok(f"{port.number} is free")
    if error.errno == errno.EADDRINUSE:
        return _taken(port, subject)
    if error.errno == errno.EACCES:
        return fail(f"{port.number} is not allowed ({error.strerror})", f"odd-dashboard up {port.flag} 0")
    return fail(f"{subject.host}:{port.number} cannot be opened ({error})", "export ODD_HOST=127.0.0.1")


def _ours(service: str, running: Running) -> Finding:
    url = {"gateway": running.gateway, "read-model": running.read_model, "web": running.web}[service]
    if url is None:
        return skip(f"process {running.pid} runs without it")
    if service_at(url) != service:
        return fail(
            f"process {running.pid} says that it listens at {url}, and does not answer there",
            f"kill {running.pid}; odd-dashboard up",
        )
    return ok(f"ours: process {running.pid} answers at {url}")


def _taken(port: Port, subject: Subject) -> Finding:
    shown = f"[{subject.host}]" if ":" in subject.host else subject.host
    theirs = service_at(f"http://{shown}:{port.number}")
    what = "another observatory" if theirs in SERVICES else "another program"
    who = listener_of(port.number)
    running = subject.owner.running
    if subject.owner.is_held and running is not None and who is not None and who.startswith(f"process {running.pid} "):
        return fail(f"{port.number} is taken by this installation, which does not answer: {who}", f"kill {running.pid}")
    return fail(f"{port.number} is taken by {what}{f': {who}' if who else ''}", _elsewhere(port, subject))


def _elsewhere(port: Port, subject: Subject) -> str:
    """How to start all the same: with any free port, or with a block that can be remembered."""
    any_free = f"odd-dashboard up {port.flag} 0"
    first = free_block(subject.host, len(subject.ports or ()))
    if first is None:
        return any_free
    flags = " ".join(f"{each.flag} {first + index}" for index, each in enumerate(subject.ports or ()))
    return f"{any_free}  # or a free block: odd-dashboard up {flags}"


def free_block(host: str, count: int) -> int | None:
    """The first of *count* free ports in a row."""
    for first in range(BLOCK_FIRST, BLOCK_LAST, BLOCK_STEP):
        if all(why_not_free(host, first + index) is None for index in range(count)):
            return first
    return None


CHECKS = (
    Check("gateway", "submitting jobs", partial(look_at_port, "gateway")),
    Check("read_model", "asking about jobs", partial(look_at_port, "read-model")),
    Check("web", "the dashboard", partial(look_at_port, "web")),
)
