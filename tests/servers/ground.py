"""The folder in which this process keeps the servers of its tests; a watchdog clears it when this process is killed."""

import atexit
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
USERS = ("postgres", "nobody")
"""As whom servers run that refuse to run as root, the first that exists."""


@cache
def ground() -> Path:
    """
    A folder of this process, made on first use; owned by the user that runs the servers.

    It goes when this process ends. When the process is killed the watchdog kills every server that runs in it and
    removes it.
    """
    folder = Path(tempfile.mkdtemp(prefix="odd-servers-", dir=_reachable_place()))
    if (user := server_user()) is not None:
        shutil.chown(folder, user.pw_uid, user.pw_gid)
    watchdog = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.watchdog", str(folder), str(os.getpid())],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    atexit.register(_clear, watchdog)
    return folder


def as_server_user() -> dict[str, Any]:
    """The arguments of `subprocess.Popen` for a server: another user if we are root, and a session of its own."""
    user = server_user()
    who = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {"start_new_session": True, "stdin": subprocess.DEVNULL, **who}


@cache
def server_user() -> pwd.struct_passwd | None:
    """Nobody else when we are not root."""
    if os.geteuid() != 0:
        return None
    users = {user.pw_name: user for user in pwd.getpwall()}
    return next(users[name] for name in USERS if name in users)


def _reachable_place() -> Path:
    """A folder for temporary files that another user can reach."""
    places = [Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")]
    return next(place for place in places if all(p.stat().st_mode & 0o001 for p in (place, *place.parents)))


def _clear(watchdog: subprocess.Popen[bytes]) -> None:
    """The watchdog does at the end what it does after a kill. A fork closes only its own end of the pipe."""
    assert watchdog.stdin is not None
    watchdog.stdin.close()
    watchdog.wait()
