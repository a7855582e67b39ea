"""Probes: is the service alive, and can it work?"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from observatory.core import limits
from observatory.core.errors import ObservatoryError


class Check(msgspec.Struct, frozen=True):
    """One dependency of a service."""

    name: str
    """As people know it: job_store, event_log…"""
    probe: Callable[[], Awaitable[object]]
    """Returns when the dependency works; raises when it does not. Ended after `limits.READY_CHECK_S_MAX`."""
    only_warns: bool = False
    """True for what should be looked after while the service can still do its work."""


class CheckResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What one check found."""

    name: str
    is_up: bool
    reason: str | None = None
    """Stable word; None when it is up."""
    warning: str | None = None
    """Stable word for what a person should look after although it is up."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether a service can work, dependency by dependency."""

    status: str
    """`ready` or `not_ready`."""
    service: str
    version: str
    checks: tuple[CheckResult, ...]

    @property
    def is_ready(self) -> bool:
        return all(check.is_up for check in self.checks)

    @property
    def down(self) -> list[str]:
        """Names of what is down."""
        return [check.name for check in self.checks if not check.is_up]


async def readiness_of(checks: Sequence[Check], *, service: str, version: str) -> Readiness:
    """Ask every dependency, all at once."""
    results = tuple(await asyncio.gather(*(_judged(check) for check in checks)))
    status = "ready" if all(result.is_up for result in results) else "not_ready"
    return Readiness(status=status, service=service, version=version, checks=results)


async def _judged(check: Check) -> CheckResult:
    result = await _result(check)
    if check.only_warns and not result.is_up:
        return CheckResult(name=check.name, is_up=True, warning=result.reason)
    return result


async def _result(check: Check) -> CheckResult:
    try:
        async with asyncio.timeout(limits.READY_CHECK_S_MAX):
            await check.probe()
    except TimeoutError:
        return CheckResult(name=check.name, is_up=False, reason="timed_out")
    except ObservatoryError as error:
        return CheckResult(name=check.name, is_up=False, reason=error.code)
    except Exception:  # noqa: BLE001 — whatever a dependency throws, the answer is that it is down
        return CheckResult(name=check.name, is_up=False, reason="failed")
    return CheckResult(name=check.name, is_up=True)
