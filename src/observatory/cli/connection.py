"""Opens the client that a command asked for."""

from observatory.cli.options import Target
from observatory.client.address import Address, find_address
from observatory.client.api import Api
from observatory.client.async_api import AsyncApi
from observatory.runtime.sources import SystemClock, SystemRandomness


def connect(target: Target) -> Api:
    """A client for *target*; close it."""
    return Api(_address(target), clock=SystemClock(), randomness=SystemRandomness())


def connect_async(target: Target) -> AsyncApi:
    """As `connect`, for a command with an event loop."""
    return AsyncApi(_address(target), clock=SystemClock(), randomness=SystemRandomness())


def _address(target: Target) -> Address:
    return find_address(gateway=target.gateway, read_model=target.read_model, data_dir=target.data_dir)
