"""What all services of one process have in common, beside its ports."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from observatory.core.worker import Down, WorkerInfo
from observatory.edge.health import Check
from observatory.edge.settings import EdgeSettings
from observatory.runtime.build_info import build_info
from observatory.runtime.settings import Settings
from observatory.runtime.sources import Sources
from observatory.runtime.supervisor import Loop, Supervisor


@dataclass(frozen=True)
class Urls:
    """Where the services listen."""

    gateway: str
    read_model: str
    web: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """One process."""

    settings: Settings
    sources: Sources
    supervisor: Supervisor
    """Runs the loops of all services of the process."""
    urls: Urls
    token: str
    """Bearer token that allows writes."""

    def edge(self, service: str) -> EdgeSettings:
        """The settings of one HTTP service."""
        settings = self.settings
        own = (settings.host,) if settings.host not in ("0.0.0.0", "::") else ()  # noqa: S104 — compared
        return EdgeSettings(
            service=service,
            version=build_info().version,
            commit=build_info().commit,
            allowed_hosts=(*own, *settings.allowed_hosts),
            allowed_origins=(self.urls.web, *settings.allowed_origins),
            token=self.token,
            reads_need_token=settings.reads_need_token,
            gateway_port=_port(self.urls.gateway),
            read_model_port=_port(self.urls.read_model),
            web_port=_port(self.urls.web),
        )

    def loop_checks(self, loops: Sequence[Loop]) -> list[Check]:
        """A loop that keeps failing makes the process not ready: it is up, but deaf."""
        return [Check(part_of(loop), partial(self.supervisor.check, loop.name)) for loop in loops]

    def loops_down(self, loops: Sequence[Loop]) -> tuple[Down, ...]:
        """Those of *loops* whose check fails."""
        judged = [(loop, self.supervisor.down(loop.name)) for loop in loops]
        return tuple(Down(name=part_of(loop), reason=down.code) for loop, down in judged if down is not None)

    def process_info(self, role: str) -> WorkerInfo:
        """How this process describes itself, before it has done anything."""
        return WorkerInfo(
            instance_id=self.sources.instance_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=build_info().version,
            started_at=self.sources.clock.now(),
            role=role,
            slots=0,
        )


def part_of(loop: Loop) -> str:
    """*loop* by the name under which it is checked."""
    return loop.name.replace(" ", "_")


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
