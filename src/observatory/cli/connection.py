"""Opens the client that a command asked for."""

from observatory.cli.options import Target
from observatory.client.address import find_address
from observatory.client.api import Api
from observatory.runtime.sources import SystemClock


def connect(target: Target) -> Api:
    """A client for *target*; close it."""
    address = find_address(gateway=target.gateway, read_model=target.read_model, data_dir=target.data_dir)
    return Api(address, clock=SystemClock())
