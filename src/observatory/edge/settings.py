"""What a service needs to know about its place: its name, who may call it, where the others are."""

from typing import Final

import msgspec

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
"""Hosts that are always allowed: a request that names one of them was meant for this machine."""


class EdgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The frozen settings of one HTTP service."""

    service: str
    """Its name in metrics, problems and documents: gateway, read-model, web."""
    version: str
    commit: str = ""
    """Source revision of the build; empty when it is not known."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts that are accepted beside the loopback ones, each as `hosts.allowed_host` takes it."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of other pages that may call, each as `scheme://host[:port]`. The service's own is always allowed."""
    token: str | None = None
    """Bearer token; None means that nobody may write."""
    reads_need_token: bool = False
    gateway_port: int = 3000
    """Where this machine's browser finds the gateway."""
    read_model_port: int = 8080
    web_port: int = 8081

    def __repr__(self) -> str:
        """As `msgspec` writes it, with the token masked: a traceback or a log line may show it."""
        shown = "None" if self.token is None else "'***'"
        values = {name: repr(getattr(self, name)) for name in self.__struct_fields__} | {"token": shown}
        return f"EdgeSettings({', '.join(f'{name}={value}' for name, value in values.items())})"
