"""The examination: check by check, each bounded in time, none able to end the others."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from observatory.core import limits
from observatory.core.text import truncate_utf8
from observatory.platform.doctor.report import (
    CheckReport,
    DoctorReport,
    Finding,
    GroupName,
    GroupReport,
    fail,
    worst,
)
from observatory.platform.doctor.subject import Subject

Look: TypeAlias = Callable[[Subject], Finding]

DETAIL_BYTES_MAX = 2_000


class Check(msgspec.Struct, frozen=True):
    """One thing to look at."""

    name: str
    needed_for: str
    look: Look
    """May raise anything and take any time: `examine` bounds it."""
    s_max: float = limits.DOCTOR_CHECK_S_MAX


Group: TypeAlias = tuple[GroupName, Sequence[Check]]


def examine(subject: Subject, groups: Sequence[Group]) -> DoctorReport:
    """
    Make every check of *groups*, in order.

    Nothing on the machine is different afterwards, also when it is interrupted.
    """
    try:
        reports = tuple(
            GroupReport(name=name, checks=tuple(_report(check, subject) for check in checks)) for name, checks in groups
        )
    finally:
        subject.probes.close()
    return DoctorReport(
        level=worst(check.level for group in reports for check in group.checks),
        version=subject.build.version,
        as_of=subject.clock.now(),
        groups=reports,
    )


def _report(check: Check, subject: Subject) -> CheckReport:
    finding = _bounded(check.look, subject, check.s_max)
    return CheckReport(
        name=check.name,
        level=finding.level,
        detail=truncate_utf8(" ".join(finding.detail.split()), DETAIL_BYTES_MAX),
        needed_for=check.needed_for,
        remedy=truncate_utf8(finding.remedy, DETAIL_BYTES_MAX),
    )


def _bounded(look: Look, subject: Subject, s_max: float) -> Finding:
    """
    What *look* found within *s_max*.

    A thread that does not end, on a disk that does not answer, say, is left behind: it does not hold up the end of
    the process.
    """
    found: list[Finding] = []

    def run() -> None:
        try:
            found.append(look(subject))
        except BaseException as error:  # noqa: BLE001  a check that comes to grief is a finding
            found.append(fail(f"could not be looked at: {type(error).__name__}: {error}", "look again, or report this"))

    thread = threading.Thread(target=run, name="doctor check", daemon=True)
    thread.start()
    thread.join(s_max)
    if not found:
        return fail(f"did not answer within {s_max:g} s", "look at the disk and the load of this machine, then again")
    return found[0]
