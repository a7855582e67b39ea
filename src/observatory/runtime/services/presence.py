"""The presence of a process that works for all others: that it lives, which loops it runs, and which of them fail."""

import asyncio
import contextlib
import dataclasses

import msgspec

from observatory.core import limits
from observatory.core.errors import Unavailable
from observatory.runtime.ports import Ports
from observatory.runtime.roles import Role
from observatory.runtime.services.place import Place, part_of
from observatory.runtime.services.service import Service

WORK_FOR_ALL = frozenset({Role.MAINTENANCE, Role.METRICS_ENGINE})


class Presence:
    """One loop: the heartbeats of a process without leases."""

    name = "presence"

    def __init__(self, service: Service, place: Place, ports: Ports) -> None:
        self._place = place
        self._loops = service.loops
        self._store = ports.store_of(service.role)
        self._info = msgspec.structs.replace(
            place.process_info(service.role), loops=tuple(part_of(loop) for loop in service.loops)
        )
        self._is_draining = False

    async def run_once(self) -> int:
        """Send one heartbeat; returns 0."""
        down = self._place.loops_down(self._loops)
        info = msgspec.structs.replace(self._info, down=down, is_draining=self._is_draining)
        await self._store.heartbeat(info, [], lease_s=limits.LEASE_S)
        return 0

    async def wait(self) -> None:
        """Until the next heartbeat is due."""
        await asyncio.sleep(limits.HEARTBEAT_S)

    async def leave(self) -> None:
        """Say that it is about to stop. A slow store holds up no stop."""
        self._is_draining = True
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(limits.STOP_GRACE_S):
                await self.run_once()


def present(service: Service, place: Place, ports: Ports) -> Service:
    """
    *service*, as a process of its own plays it: what works for all others says so to them.

    A processor says it with its own heartbeats; what answers requests is asked.
    """
    if service.role not in WORK_FOR_ALL:
        return service
    presence = Presence(service, place, ports)

    async def drain() -> None:
        await asyncio.gather(service.drain(), presence.leave())

    return dataclasses.replace(service, loops=[*service.loops, presence], drain=drain)
