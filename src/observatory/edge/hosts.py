"""Host names: the one form in which they are compared, and which of them a service answers under.

Against DNS rebinding every comparison is exact: a name is allowed because somebody named it, never because it
resolves to this machine.
"""

import contextlib
import ipaddress
import re
from collections.abc import Iterable
from typing import Final

import msgspec

PORT_MAX: Final = 65_535
_PORT_OF_SCHEME: Final = {"http": 80, "https": 443}
_FORM: Final = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
_ANY: Final = "*."


class Host(msgspec.Struct, frozen=True):
    """A name with or without a port."""

    name: str
    """Lower case; an IPv6 address in brackets and in its shortest form."""
    port: int | None
    """None when none was said."""

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"


def host_of(text: str) -> Host | None:
    """The host that *text*, such as a Host header, names; None when it is not well formed."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    name = match[1].lower()
    if name.startswith("["):
        with contextlib.suppress(ValueError):
            return Host(_bracketed(ipaddress.IPv6Address(name[1:-1])), _port(match[2]))
        return None
    return Host(name, _port(match[2]))


def allowed_host(text: str) -> Host:
    """
    One entry of a list of allowed hosts: a name, `*.` and a name of two labels or more, or an IP address.

    Raises:
        ValueError: It is something else.
    """
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(text)
        return Host(_bracketed(address) if address.version == 6 else str(address), None)
    is_wild = text.startswith(_ANY)
    host = host_of(text.removeprefix(_ANY))
    if host is None or (host.port or 0) > PORT_MAX or (is_wild and not _may_be_wild(host.name)):
        raise ValueError(f"{text!r} is not a host")
    return Host(_ANY + host.name, host.port) if is_wild else host


class AllowedHosts:
    """
    The hosts that a service answers under.

    Args:
        entries: Each as `allowed_host` takes it. `*.example.org` means every name below example.org, at any depth,
            and not example.org itself. An entry with a port holds for that port alone.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        hosts = [allowed_host(entry) for entry in entries]
        self._exact = frozenset(host for host in hosts if not host.name.startswith(_ANY))
        self._below = [(host.name.removeprefix("*"), host.port) for host in hosts if host.name.startswith(_ANY)]

    def allows(self, host: Host, *, scheme: str) -> bool:
        """True when an entry names *host*. One without a port has that of its *scheme*."""
        if Host(host.name, None) in self._exact:
            return True
        port = _PORT_OF_SCHEME.get(scheme) if host.port is None else host.port
        return Host(host.name, port) in self._exact or any(
            host.name.endswith(ending) and len(host.name) > len(ending) and wanted in (None, port)
            for ending, wanted in self._below
        )


def _port(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _bracketed(address: ipaddress.IPv6Address) -> str:
    # A zone is of this machine alone: no Host header carries it.
    return f"[{str(address).partition('%')[0]}]"


def _may_be_wild(name: str) -> bool:
    """A whole top-level domain is everybody's, and an address has no sub-domains."""
    labels = name.split(".")
    return len(labels) > 1 and all(labels) and not labels[-1].isdecimal() and not name.startswith("[")
