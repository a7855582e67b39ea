"""The commands for what is kept: `rebuild`, `backup`, `restore`."""

import contextlib
import os
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from observatory.cli.exit_codes import ExitCode
from observatory.cli.failures import Failure
from observatory.cli.interruption import ended_in_order, exit_code_of, name_of
from observatory.cli.options import FOLDER, TARGET, Folder, Target
from observatory.cli.output import Output, cell, of_process
from observatory.cli.progress import Say, progress
from observatory.core.errors import BadSettings
from observatory.runtime.settings import Settings, load


def rebuild(*, check: Annotated[bool, Parameter(negative="")] = False, target: Target = TARGET) -> int:
    """
    Make the counters anew from the history.

    While the system runs, it does so itself, and its counters say that they are being rebuilt until they are
    complete. Otherwise the command takes the data folder for as long as it works. Equal counters have equal digests.

    Parameters
    ----------
    check
        Change nothing: compare the saved counters with those that the history gives. Ends with 1 when they differ.
    """
    settings = load({"data_dir": target.data_dir}, os.environ)
    out = of_process()
    with progress(out, is_json=target.json) as say:
        if check:
            instead = "ask `odd-dashboard audit`, which compares the counters as well"
            return _check(out, folder_of(settings, instead), say, is_json=target.json)
        if settings.postgres_url is not None:
            return _rebuild_running(out, target, say)
        return _rebuild(out, settings.data_dir, target, say)


def folder_of(settings: Settings, instead: str) -> Path:
    """
    The data folder, where it holds the data.

    Args:
        instead: What to do where a database holds it.

    Raises:
        BadSettings: POSTGRES_URL is set.
    """
    if settings.postgres_url is not None:
        raise BadSettings("POSTGRES_URL is set, so the data is in PostgreSQL and in no folder", instead)
    return settings.data_dir


def _check(out: Output, data_dir: Path, say: Say, *, is_json: bool) -> int:
    from observatory.runtime.keeping import compare_counters

    compared = compare_counters(data_dir, say=lambda done, total: say("comparing: reading events", done, total))
    if is_json:
        out.json(compared)
    else:
        detail = f"position {compared.position}, digest {compared.rebuilt_digest}"
        if compared.is_equal:
            out.mark("ok", "the counters are what the history gives", detail)
        else:
            out.mark(
                "fail", "the counters are not what the history gives", f"{detail}; saved: {compared.digest or '-'}"
            )
    return ExitCode.DONE if compared.is_equal else ExitCode.FAILED


def _rebuild(out: Output, data_dir: Path, target: Target, say: Say) -> int:
    from observatory.core.errors import DataFolderInUse
    from observatory.runtime.keeping import rebuild_counters

    if target.gateway is None and target.read_model is None:
        with contextlib.suppress(DataFolderInUse):
            rebuilt = rebuild_counters(
                data_dir, say=lambda done, total: say("rebuilding: counting events", done, total)
            )
            _show_rebuilt(out, rebuilt.position, rebuilt.digest, is_json=target.json)
            return ExitCode.DONE
    return _rebuild_running(out, target, say)


def _rebuild_running(out: Output, target: Target, say: Say) -> int:
    """Ask the process that runs, and wait until its counters are as complete as they were."""
    from observatory.cli.connection import connect
    from observatory.core import limits
    from observatory.runtime.rebuilding import digest_of_stats

    with connect(target) as api:
        until: int = api.rebuild_stats()["position"]
        while True:
            stats = api.stats()
            say("rebuilding: counting events", min(stats["position"], until), until)
            if stats["position"] >= until and stats["state"] == "live":
                break
            threading.Event().wait(limits.WAIT_PAUSE_S_MIN)
    _show_rebuilt(out, stats["position"], digest_of_stats(stats), is_json=target.json)
    return ExitCode.DONE


def _show_rebuilt(out: Output, position: int, digest: str, *, is_json: bool) -> None:
    if is_json:
        out.json({"view": "stats", "position": position, "digest": digest})
    else:
        out.mark("ok", "the counters were made anew", f"position {position}, digest {digest}")


def backup(path: Path, /, *, compact: Annotated[bool, Parameter(negative="")] = False, folder: Folder = FOLDER) -> int:
    """
    Copy all data into a new folder, also while the system runs, and audit the copy.

    The folder holds the database and a manifest with its digest. The token is not in it. Ends with 1 when the audit
    finds faults; the copy is kept then, as faithful as its source. Ended by Ctrl-C or a signal, it leaves nothing.

    Parameters
    ----------
    path
        The folder to make. It must not exist, and must not be in the data folder.
    compact
        Leave free space out. Takes longer.
    """
    settings = load({"data_dir": folder.data_dir}, os.environ)
    data_dir = folder_of(settings, "copy it with its own means, such as pg_dump (docs/operations.md)")
    from observatory.runtime.backup_files import left_over
    from observatory.runtime.keeping import back_up

    out = of_process()
    for remains in left_over(path):
        out.mark("warn", f"a backup that was killed left {cell(str(remains), bytes_max=4096)}: remove it")
    with _said_when_ended(out, "no backup was made", is_json=folder.json), progress(out, is_json=folder.json) as say:
        manifest = back_up(data_dir, path, is_compact=compact, say=say)
    if folder.json:
        out.json(manifest)
    else:
        held = f"{manifest.jobs} jobs, {manifest.events} events up to position {manifest.position}"
        out.mark("ok", f"backed up to {cell(str(path))}", f"{held}, {manifest.bytes} bytes")
    if manifest.violations:
        out.mark(
            "warn", f"the audit found {manifest.violations} faults, in the copy as in its source: odd-dashboard audit"
        )
    return ExitCode.FAILED if manifest.violations else ExitCode.DONE


def restore(path: Path, /, *, force: Annotated[bool, Parameter(negative="")] = False, folder: Folder = FOLDER) -> int:
    """
    Bring a backup back into a data folder that nobody uses, and audit it.

    A folder with data, or with files of something else, is refused. What ran when the backup was made is given back at
    the next start.

    Parameters
    ----------
    path
        The folder that `backup` made.
    force
        Move a database that is there aside; it is kept beside the new one. Other files stay as they are.
    """
    settings = load({"data_dir": folder.data_dir}, os.environ)
    data_dir = folder_of(settings, "bring it back with its own means, such as pg_restore (docs/operations.md)")
    from observatory.runtime.keeping import audit, restore_backup

    out = of_process()
    outcome = "the folder holds what was there before, or the whole backup"
    with _said_when_ended(out, outcome, is_json=folder.json), progress(out, is_json=folder.json) as say:
        manifest, aside = restore_backup(path, data_dir, is_forced=force, say=say)
        report = audit(data_dir, say=say)
    if folder.json:
        out.json({"manifest": manifest, "movedAside": aside and str(aside), "audit": report})
    else:
        made = cell(manifest.created_at.isoformat())
        out.mark("ok", f"restored into {cell(str(data_dir))}", f"{report.checked.jobs} jobs of {made}")
        if aside is not None:
            out.mark("note", f"the data that was there is kept in {cell(aside.name)}")
    if report.violations:
        out.mark("warn", f"the audit found {len(report.violations)} faults: odd-dashboard audit")
    return ExitCode.FAILED if report.violations else ExitCode.DONE


@contextlib.contextmanager
def _said_when_ended(out: Output, outcome: str, *, is_json: bool) -> Generator[None]:
    """Somebody who ends the command is told in one line what there is now."""
    try:
        with ended_in_order():
            yield
    except KeyboardInterrupt as error:
        what = f"ended by {name_of(error)}: {outcome}"
        failure = Failure(exit_code=exit_code_of(error), code="interrupted", what=what)
        out.fail_json(failure) if is_json else out.fail(failure)
        raise
