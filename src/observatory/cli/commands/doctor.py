"""`doctor`."""

from typing import Annotated

from cyclopts import Parameter

from observatory.cli.exit_codes import ExitCode
from observatory.cli.interruption import ended_in_order
from observatory.cli.options import FOLDER, Folder
from observatory.cli.output import Output, Style, cell, of_process
from observatory.platform.doctor.report import CheckReport, DoctorReport, GroupName, Level

MARKS: dict[Level, tuple[str, Style]] = {
    "ok": ("[OK]  ", "green"),
    "warn": ("[WARN]", "yellow"),
    "fail": ("[FAIL]", "red"),
    "skip": ("[SKIP]", "dim"),
}
TITLES: dict[str, str] = {"sqlite": "SQLite", "data": "Data folder"}
LINE_BYTES_MAX = 2_000


def doctor(
    *,
    group: Annotated[list[GroupName] | None, Parameter(negative="")] = None,
    app: str | None = None,
    folder: Folder = FOLDER,
) -> int:
    """
    Look whether this machine has what the observatory needs.

    Prints one line per check with what was found and, where it is not as it should be, what mends it. Changes
    nothing, and only reads where the system runs. Ends with 1 when a check failed; warnings do not count.

    For example:

        odd-dashboard doctor
        odd-dashboard doctor --group ports --group data
        odd-dashboard doctor --app shop.jobs:app --json

    Parameters
    ----------
    group
        Look at this group alone; may be given several times.
    app
        Application to look at, as module:attribute. Default: the one in the settings.
    """
    from observatory.cli.examined import subject_of
    from observatory.platform.doctor.examine import examine
    from observatory.platform.doctor.groups import GROUPS

    with ended_in_order():
        chosen = [each for each in GROUPS if not group or each[0] in group]
        report = examine(subject_of(folder.data_dir, app), chosen)
    out = of_process()
    if folder.json:
        out.json(report)
    else:
        _show(out, report)
    return ExitCode.FAILED if report.level == "fail" else ExitCode.DONE


def _show(out: Output, report: DoctorReport) -> None:
    for group in report.groups:
        out.line(out.painted(TITLES.get(group.name, group.name.capitalize()), "bold"))
        width = max(len(check.name) for check in group.checks)
        for check in group.checks:
            _show_check(out, check, width)
    out.flush()
    failed, warned = report.count("fail"), report.count("warn")
    if failed or warned:
        out.mark("fail" if failed else "warn", f"{_counted(failed, 'failure')}, {_counted(warned, 'warning')}")
        out.say("    mend what is named, then look again:  odd-dashboard doctor")
    else:
        out.mark("ok", "this machine has what the observatory needs")


def _show_check(out: Output, check: CheckReport, width: int) -> None:
    mark, style = MARKS[check.level]
    name = check.name.replace("_", " ").ljust(width)
    out.line(f"  {out.painted(mark, style)} {name}  {cell(check.detail, bytes_max=LINE_BYTES_MAX)}".rstrip())
    indent = " " * (len(mark) + 5 + width)
    if check.remedy:
        out.line(f"{indent}do:          {cell(check.remedy, bytes_max=LINE_BYTES_MAX)}")
    if check.level in {"warn", "fail"}:
        out.line(f"{indent}needed for:  {check.needed_for}")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
