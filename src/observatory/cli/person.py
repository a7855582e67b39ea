"""Who types."""

import getpass
import socket

from observatory.core.text import sanitize_terminal, truncate_utf8

_BYTES_MAX = 128


def who() -> str:
    """The user and the host, without what a terminal would act on."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "unknown"
    return truncate_utf8(sanitize_terminal(f"{user}@{socket.gethostname()}"), _BYTES_MAX)
