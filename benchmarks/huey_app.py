"""The peer's application: Huey over the SQLite file that `HUEY_FILE` names, results kept."""

import os
import time

from huey import SqliteHuey

huey = SqliteHuey("bench", filename=os.environ["HUEY_FILE"], fsync=True, timeout=60)


@huey.task()
def noop(number: int) -> float:
    """Does nothing; the result, which is stored, says when it began."""
    return time.time()
