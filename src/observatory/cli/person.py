"""Who types."""

import getpass
import socket

from observatory.core import limits
from observatory.core.text import sanitize_terminal, truncate_utf8


def who() -> str:
    """The user and the host, without what a terminal would act on."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "unknown"
    return truncate_utf8(sanitize_terminal(f"{user}@{socket.gethostname()}"), limits.ACTOR_CHARS_MAX)
