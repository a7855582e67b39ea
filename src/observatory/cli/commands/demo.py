"""`demo`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from observatory.cli.exit_codes import ExitCode
from observatory.cli.failures import UsageError
from observatory.cli.interruption import ended_in_order
from observatory.cli.options import FOLDER, Folder
from observatory.cli.output import Output, cell, of_process
from observatory.runtime.sources import SystemClock, SystemIds

if TYPE_CHECKING:
    from observatory.cli.demo.stage import Stage

SEED = 7
SEED_MAX = 2**31 - 1
MINUTE, SECONDS = "It takes about a minute.", "It takes some seconds."


def demo(
    *,
    seed: int = SEED,
    quick: Annotated[bool, Parameter(negative="")] = False,
    keep: Annotated[bool, Parameter(negative="")] = False,
    clean: Annotated[bool, Parameter(negative="")] = False,
    folder: Folder = FOLDER,
) -> int:
    """
    Tell in about a minute what the observatory does, with real jobs.

    Real files, a burst, a poison job, a process that is killed, a redrive, a schedule; every number is read back, and
    in the end the books have to balance. It plays in an observatory of its own in a temporary folder, which is removed
    afterwards. Ends with 0 when all of it came out as told, else with 1.

    For example:

        odd-dashboard demo
        odd-dashboard demo --keep
        odd-dashboard demo --quick --json
        odd-dashboard demo --clean

    Parameters
    ----------
    seed
        What the files and numbers are drawn from: equal seeds give equal ones.
    quick
        Less of everything: some seconds.
    keep
        Keep the temporary folder, and say how to look into it.
    clean
        Tell nothing, and put away what earlier demos kept or left: temporary folders; with --data-dir that folder, or
        in an observatory that runs there the schedule, the pauses and the waiting jobs of the demo.
    """
    if not 0 <= seed <= SEED_MAX:
        raise UsageError(f"--seed is {seed}; it must be from 0 to {SEED_MAX}")
    if keep and folder.data_dir is not None:
        raise UsageError("a folder that --data-dir names is kept in any case", "leave out --keep")
    data_dir = None if folder.data_dir is None else folder.data_dir.expanduser().absolute()
    out = of_process()
    with ended_in_order():
        if clean:
            return _clean(out, data_dir, is_json=folder.json)
        return _tell(out, data_dir, seed=seed, is_quick=quick, keeps=keep, is_json=folder.json)


def _tell(out: Output, data_dir: Path | None, *, seed: int, is_quick: bool, keeps: bool, is_json: bool) -> int:
    from observatory.cli.demo.cleaning import leaving_order
    from observatory.cli.demo.play import FULL, QUICK, Play
    from observatory.cli.demo.stage import stage
    from observatory.cli.demo.story import tell
    from observatory.cli.demo.teller import Teller

    teller = Teller(out, is_json=is_json, is_paced=not is_quick)
    with stage(data_dir, keeps=keeps) as opened:
        teller.begin(SECONDS if is_quick else MINUTE, _where(opened))
        if opened.web is not None:
            teller.line(f"Watch it there too:  {cell(opened.web)}")
        with leaving_order(opened):
            play = Play(
                opened, teller, SystemClock(), run=SystemIds().new_id(), seed=seed, size=QUICK if is_quick else FULL
            )
            is_as_told = tell(play)
    if opened.is_own and opened.remains:
        teller.line(f"Look around:  odd-dashboard up --data-dir {cell(str(opened.data_dir), bytes_max=4096)}")
    return ExitCode.DONE if is_as_told else ExitCode.FAILED


def _where(opened: "Stage") -> str:
    folder = cell(str(opened.data_dir), bytes_max=4096)
    if not opened.is_own:
        return f"It plays in the observatory that runs in {folder}."
    kept = f"in {folder}" if opened.remains else "in a temporary folder that is removed afterwards"
    return f"It plays in an observatory of its own, {kept}."


def _clean(out: Output, data_dir: Path | None, *, is_json: bool) -> int:
    from observatory.cli.demo import cleaning

    removed, cancelled = cleaning.clean(data_dir)
    if is_json:
        out.json({"removed": [str(each) for each in removed], "cancelled": cancelled})
        return ExitCode.DONE
    for each in removed:
        out.line(f"removed {cell(str(each), bytes_max=4096)}")
    if cancelled is not None:
        out.line(f"{cancelled} waiting jobs cancelled; final ones stay until retention removes them")
    elif not removed:
        out.line("nothing of a demo is left")
    return ExitCode.DONE
