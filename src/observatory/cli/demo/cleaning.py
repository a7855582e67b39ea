"""Put away what demos left behind."""

import contextlib
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

from observatory.cli.connection import connect
from observatory.cli.demo.stage import FILES_FOLDER, TEMPORARY_PREFIX, Stage, check_is_of_a_demo, running_in
from observatory.cli.options import Target
from observatory.client.api import Api
from observatory.client.errors import RequestRefused
from observatory.core.errors import ObservatoryError

QUEUES = ("demo", "demo-burst")
"""Every job of a demo waits in one of these."""
SCHEDULE = "demo-every-second"


def clean(data_dir: Path | None) -> tuple[list[Path], int | None]:
    """
    What `demo --clean` does. Raises UsageError for a folder that no demo made.

    Returns:
        The folders that were removed, and how many jobs were cancelled, or None where no observatory was asked.
    """
    if data_dir is None:
        return list(remove_kept_folders()), None
    if running_in(data_dir) is not None:
        with connect(Target(data_dir=data_dir)) as api:
            return [], put_in_order(api)
    return ([data_dir] if remove_folder(data_dir) else []), None


@contextlib.contextmanager
def leaving_order(stage: Stage) -> Generator[None]:
    """However the story ends, an observatory whose data stay is left as it was, but for final jobs."""
    try:
        yield
    finally:
        if stage.remains:
            with contextlib.suppress(ObservatoryError):
                put_in_order(stage.api)


def remove_kept_folders() -> Iterator[Path]:
    """Remove the temporary folders of earlier demos, but those that somebody holds; each that is gone."""
    from observatory.runtime.data_folder import DataFolder

    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}*")):
        with contextlib.suppress(OSError):
            is_one = not folder.is_symlink() and (folder / FILES_FOLDER).is_dir()
            if is_one and not DataFolder(folder).is_held():
                shutil.rmtree(folder)
                yield folder


def remove_folder(folder: Path) -> bool:
    """Remove a data folder that a demo made and in which nothing runs; False when there is none."""
    check_is_of_a_demo(folder)
    if not (folder / FILES_FOLDER).is_dir():
        return False
    shutil.rmtree(folder)
    return True


def put_in_order(api: Api) -> int:
    """
    End what a demo left in an observatory that goes on: its schedule, the pauses of its queues, its waiting jobs.

    Final jobs stay until retention removes them.

    Returns:
        How many jobs were cancelled, or asked to stop.
    """
    with contextlib.suppress(RequestRefused):  # there is none
        api.delete_schedule(SCHEDULE)
    cancelled = 0
    for queue in QUEUES:
        cancelled += _cancel_all(api, queue)
        api.resume_queue(queue)
    return cancelled


def _cancel_all(api: Api, queue: str) -> int:
    cancelled, cursor = 0, None
    while True:
        answer = api.cancel_jobs(filter={"queue": queue}, cursor=cursor)
        cancelled += answer["cancelled"] + answer["cancelRequested"]
        cursor = answer["nextCursor"]
        if cursor is None:
            return cancelled
