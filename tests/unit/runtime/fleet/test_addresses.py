"""Ports that are kept for roles, also while none of them listens."""

import contextlib
import socket
import sys
from collections.abc import Generator

import pytest

from observatory.core.errors import PortTaken
from observatory.runtime.fleet.addresses import Addresses
from observatory.runtime.http_server import bind

HOST = "127.0.0.1"


@pytest.fixture
def addresses() -> Generator[Addresses]:
    with contextlib.ExitStack() as stack:
        yield Addresses(HOST, stack)


@pytest.fixture
def somebody() -> Generator[int]:
    """A port at which somebody else listens."""
    with bind(HOST, 0, purpose="test", setting="TEST") as listener:
        yield listener.getsockname()[1]


def test_a_role_may_listen_at_its_port_as_often_as_it_is_begun(addresses: Addresses) -> None:
    port = addresses.take(0, purpose="gateway", setting="ODD_GATEWAY_PORT")

    for _ in range(2):
        with bind(HOST, port, purpose="gateway", setting="ODD_GATEWAY_PORT") as listener:
            socket.create_connection(listener.getsockname()).close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is only looked whether the port is free")
def test_nobody_is_given_the_port_meanwhile(addresses: Addresses) -> None:
    port = addresses.take(0, purpose="gateway", setting="ODD_GATEWAY_PORT")

    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((HOST, port))


def test_a_port_at_which_somebody_listens_is_refused(addresses: Addresses, somebody: int) -> None:
    with pytest.raises(PortTaken, match=f"port {somebody} for the gateway is in use"):
        addresses.take(somebody, purpose="gateway", setting="ODD_GATEWAY_PORT")


def test_the_next_one_leaves_out_what_is_in_use_and_what_is_kept(addresses: Addresses, somebody: int) -> None:
    second = addresses.take_after(somebody - 1, purpose="gateway 2", setting="ODD_GATEWAY_PORT")
    third = addresses.take_after(somebody - 1, purpose="gateway 3", setting="ODD_GATEWAY_PORT")

    assert somebody < second < third


def test_after_a_free_one_comes_another_free_one(addresses: Addresses) -> None:
    first = addresses.take(0, purpose="gateway", setting="ODD_GATEWAY_PORT")

    assert addresses.take_after(0, purpose="gateway 2", setting="ODD_GATEWAY_PORT") not in {0, first}
