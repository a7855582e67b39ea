"""`audit`."""

import asyncio
import os
from typing import TYPE_CHECKING

import msgspec

from observatory.cli.exit_codes import ExitCode
from observatory.cli.options import FOLDER, Folder
from observatory.cli.output import Output, cell, of_process
from observatory.cli.progress import progress
from observatory.runtime.settings import load

if TYPE_CHECKING:
    from observatory.audit.report import AuditReport


def audit(*, folder: Folder = FOLDER) -> int:
    """
    Compare what was accepted with what exists, store by store.

    Only reads, also while the system runs. Prints one line per fault with its code and job id, and ends with 1
    when there is one.
    """
    settings = load({"data_dir": folder.data_dir}, os.environ)
    from observatory.runtime.keeping import audit as audit_folder
    from observatory.runtime.ports.opening import audit_shared

    out = of_process()
    with progress(out, is_json=folder.json) as say:
        if settings.postgres_url is None:
            report = audit_folder(settings.data_dir, say=say)
        else:
            report = asyncio.run(audit_shared(settings, say=say))
    if folder.json:
        out.json(report)
    else:
        _show(out, report)
    return ExitCode.FAILED if report.violations else ExitCode.DONE


def _show(out: Output, report: "AuditReport") -> None:
    for violation in report.violations:
        out.line(f"{cell(violation.code)}  {cell(violation.job_id)}  {cell(violation.detail, bytes_max=1000)}")
    out.flush()
    for note in report.notes:
        out.mark("warn", f"{note.code}: {note.detail}")
    checked = ", ".join(f"{name} {count}" for name, count in msgspec.structs.asdict(report.checked).items())
    if report.violations:
        left_out = report.violations_left_out
        more = f", of which the last {left_out} are not listed" if left_out else ""
        out.mark("fail", f"{len(report.violations) + left_out} faults{more}", checked)
    else:
        out.mark("ok", "nothing is missing and nothing is double", checked)
