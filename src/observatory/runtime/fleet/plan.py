"""Which processes the settings ask for on one host, and where each listens."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from observatory.runtime.fleet.addresses import Addresses
from observatory.runtime.fleet.child import ChildSpec, role_argv
from observatory.runtime.fleet.fleet import Member
from observatory.runtime.roles import Role
from observatory.runtime.services.place import Urls
from observatory.runtime.settings import Settings
from observatory.runtime.step import Step


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What runs, and the addresses by which others find it."""

    members: tuple[Member, ...]
    urls: Urls


def plan_of(settings: Settings, environ: Mapping[str, str], stack: contextlib.AsyncExitStack) -> Plan:
    """
    The roles of this host. Their ports are theirs until *stack* ends, also while they do not run.

    Args:
        environ: Of every role; its ports are added.

    Raises:
        PortTaken: A port is in use by another process.
    """
    held = contextlib.ExitStack()
    stack.callback(held.close)
    planning = _Planning(settings, environ, Addresses(settings.host, held))
    members = (*planning.http(), *planning.others())
    return Plan(members=members, urls=planning.urls)


class _Planning:
    """Takes the ports in their order: first those that are set, then those that follow them."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses
        self._ports = {
            "ODD_GATEWAY_PORT": self._take(settings.gateway_port, "gateway", "ODD_GATEWAY_PORT"),
            "ODD_READ_MODEL_PORT": self._take(settings.read_model_port, "read model", "ODD_READ_MODEL_PORT"),
            "ODD_WEB_PORT": self._take(settings.web_port, "dashboard", "ODD_WEB_PORT"),
        }
        self._environ = {**environ, **{name: str(port) for name, port in self._ports.items()}}

    @property
    def urls(self) -> Urls:
        gateway, read_model, web = map(self._url, self._ports.values())
        return Urls(gateway=gateway, read_model=read_model, web=web)

    def http(self) -> Iterator[Member]:
        """The roles that have addresses of their own."""
        first = self._ports["ODD_GATEWAY_PORT"]
        yield self._member(Role.GATEWAY, "gateway", "ODD_GATEWAY_PORT", first)
        for number in range(2, self._settings.gateways + 1):
            name = f"gateway {number}"
            after = first if self._settings.gateway_port else 0
            port = self._addresses.take_after(after, purpose=name, setting="ODD_GATEWAY_PORT")
            yield self._member(Role.GATEWAY, name, "ODD_GATEWAY_PORT", port)
        yield self._member(Role.READ_MODEL, "read model", "ODD_READ_MODEL_PORT", self._ports["ODD_READ_MODEL_PORT"])
        yield self._member(Role.WEB, "dashboard", "ODD_WEB_PORT", self._ports["ODD_WEB_PORT"])

    def others(self) -> Iterator[Member]:
        """The roles that are asked for their health alone."""
        names = ["processor", *(f"processor {number}" for number in range(2, self._settings.processors + 1))]
        roles = [*((Role.PROCESSOR, name) for name in names), (Role.METRICS_ENGINE, "metrics engine"),
                 (Role.MAINTENANCE, "maintenance")]  # fmt: skip
        for place, (role, name) in enumerate(roles):
            yield self._member(role, name, "ODD_HEALTH_PORT", self._health_port(name, is_first=place == 0))

    def _health_port(self, name: str, *, is_first: bool) -> int:
        purpose, wanted = f"health of the {name}", self._settings.health_port
        if is_first:
            return self._take(wanted, purpose, "ODD_HEALTH_PORT")
        return self._addresses.take_after(wanted, purpose=purpose, setting="ODD_HEALTH_PORT")

    def _take(self, port: int, purpose: str, setting: str) -> int:
        return self._addresses.take(port, purpose=purpose, setting=setting)

    def _member(self, role: Role, name: str, setting: str, port: int) -> Member:
        detail = f"{self._settings.slots} slots" if role is Role.PROCESSOR else ""
        environ = {**self._environ, setting: str(port)}
        spec = ChildSpec(name=name, argv=role_argv("serve", role.value, "--json"), environ=environ)
        return Member(step=Step(name, self._url(port), detail), spec=spec)

    def _url(self, port: int) -> str:
        """As a client on this machine writes it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._settings.host, self._settings.host)  # noqa: S104 — compared
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
