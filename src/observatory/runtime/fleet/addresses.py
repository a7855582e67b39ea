"""The ports of the roles of one host, known before the roles run, and kept for them while they do not."""

import contextlib
import sys

from observatory.core import limits
from observatory.core.errors import PortTaken
from observatory.runtime.http_server import reserve


class Addresses:
    """
    Reserves ports for roles; a role that is begun again gets its own back.

    Where the system lets two sockets have one address as long as only one listens (Linux), a reserved port is given
    to nobody else meanwhile. Elsewhere it is only looked whether it is free.
    """

    def __init__(self, host: str, stack: contextlib.ExitStack) -> None:
        self._host = host
        self._stack = stack
        self._numbers: set[int] = set()

    def take(self, port: int, *, purpose: str, setting: str) -> int:
        """
        *port*, or a free one for 0.

        Raises:
            PortTaken: Somebody else listens there.
        """
        held = reserve(self._host, port, purpose=purpose, setting=setting)
        number: int = held.getsockname()[1]
        if sys.platform == "linux":
            self._stack.callback(held.close)
        else:
            held.close()
        self._numbers.add(number)
        return number

    def take_after(self, port: int, *, purpose: str, setting: str) -> int:
        """
        The first port after *port* that nobody has; a free one for 0.

        Raises:
            PortTaken: The next `limits.PORTS_TRIED_MAX` are in use.
        """
        if not port:
            return self.take(0, purpose=purpose, setting=setting)
        for number in range(port + 1, min(port + 1 + limits.PORTS_TRIED_MAX, 65_536)):
            if number in self._numbers:
                continue
            with contextlib.suppress(PortTaken):
                return self.take(number, purpose=purpose, setting=setting)
        raise PortTaken(
            f"no port after {port} is free for the {purpose}", f"choose another port: {setting}=0 takes free ones"
        )
