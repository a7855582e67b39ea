"""
Clears a folder of servers when the process that owns it is gone: `python -m tests.servers.watchdog FOLDER OWNER`.

The owner holds the other end of standard input and never writes. The pipe tells at once; the question who our parent
is tells also when a fork of the owner still holds that end.
"""

import os
import select
import shutil
import sys
from pathlib import Path

from tests.servers import process_tree

LOOK_S = 1.0


def until_gone(owner: int) -> None:
    while os.getppid() == owner:
        if select.select([sys.stdin], [], [], LOOK_S)[0]:
            return


def clear(folder: Path) -> None:
    """Kill what runs in the folder, whatever state it is in, and remove the folder."""
    ours = os.getpid()
    while servers := [pid for pid in process_tree.running_in(folder) if pid != ours]:
        for pid in servers:
            process_tree.kill(pid)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    until_gone(int(sys.argv[2]))
    clear(Path(sys.argv[1]))
