"""Ports of loopback for servers that keep theirs from one start to the next."""

import random
import socket

PORTS = range(20_000, 32_000)
"""Below those that the system gives to outgoing connections: a server that is down finds its port free again."""


def free_port() -> int:
    """Drawn by chance, because several workers draw at the same time."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def is_listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
