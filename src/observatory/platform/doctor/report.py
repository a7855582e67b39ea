"""What an examination found, as people and programs get it. The schema is `doctor-report`."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

GroupName: TypeAlias = Literal["program", "sqlite", "data", "ports", "terminal", "system", "application"]

Level: TypeAlias = Literal["ok", "warn", "fail", "skip"]
"""
`warn`: it works, and something may go wrong; `fail`: it does not work; `skip`: it was not looked at, the detail says
why.
"""


class Finding(msgspec.Struct, frozen=True):
    """The answer of one check."""

    level: Level
    detail: str
    """One line with the fact that was measured. Never a secret."""
    remedy: str = ""
    """What mends it, as a command where one does; empty when nothing has to be done."""


def ok(detail: str) -> Finding:
    return Finding("ok", detail)


def warn(detail: str, remedy: str) -> Finding:
    return Finding("warn", detail, remedy)


def fail(detail: str, remedy: str) -> Finding:
    return Finding("fail", detail, remedy)


def skip(detail: str, remedy: str = "") -> Finding:
    return Finding("skip", detail, remedy)


class CheckReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One check with its answer."""

    name: str
    level: Level
    detail: str
    needed_for: str
    """What does not work when this fails."""
    remedy: str


class GroupReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Checks about one thing."""

    name: str
    checks: tuple[CheckReport, ...]


class DoctorReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Everything that was looked at."""

    level: Level
    """The worst of all checks."""
    version: str
    """Of the program that looked."""
    as_of: datetime
    groups: tuple[GroupReport, ...]

    def count(self, level: Level) -> int:
        return sum(check.level == level for group in self.groups for check in group.checks)


def worst(levels: Iterable[Level]) -> Level:
    """The gravest of *levels*; checks that were not made do not count."""
    found = set(levels)
    if "fail" in found:
        return "fail"
    return "warn" if "warn" in found else "ok"
