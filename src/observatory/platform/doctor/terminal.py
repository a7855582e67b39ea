"""What a person sees of it: the terminal behind standard output."""

import os
from collections.abc import Mapping

from observatory.core import limits
from observatory.platform.doctor.examine import Check
from observatory.platform.doctor.report import Finding, ok, skip, warn
from observatory.platform.doctor.subject import Subject

_NO_TERMINAL = "standard output is not a terminal"
_UTF_8 = "export LC_ALL=C.UTF-8" if os.name != "nt" else "set PYTHONUTF8=1"


def look_at_kind(subject: Subject) -> Finding:
    return ok("standard output is a terminal") if subject.stdout.isatty() else skip(_NO_TERMINAL)


def look_at_size(subject: Subject) -> Finding:
    if not subject.stdout.isatty():
        return skip(_NO_TERMINAL)
    columns, rows = os.get_terminal_size(subject.stdout.fileno())
    return judged_size(columns, rows)


def judged_size(columns: int, rows: int) -> Finding:
    if columns == 0 or rows == 0:
        return skip("the terminal does not tell its size")
    wanted = f"{limits.TERMINAL_COLUMNS_MIN} × {limits.TERMINAL_ROWS_MIN}"
    if columns < limits.TERMINAL_COLUMNS_MIN or rows < limits.TERMINAL_ROWS_MIN:
        return warn(f"{columns} × {rows} is less than {wanted}: tables are cut", f"make the window {wanted} or larger")
    return ok(f"{columns} × {rows}")


def look_at_encoding(subject: Subject) -> Finding:
    return judged_encoding(getattr(subject.stdout, "encoding", None) or "")


def judged_encoding(encoding: str) -> Finding:
    if encoding.lower().replace("-", "").replace("_", "") == "utf8":
        return ok("UTF-8")
    return warn(f"{encoding or 'not known'}: what it cannot show is written as an escape", _UTF_8)


def look_at_colours(subject: Subject) -> Finding:
    return judged_colours(subject.environ, is_terminal=subject.stdout.isatty())


def judged_colours(environ: Mapping[str, str], *, is_terminal: bool) -> Finding:
    if environ.get("NO_COLOR"):
        return ok("off, because NO_COLOR is set")
    if environ.get("FORCE_COLOR"):
        return ok("on, because FORCE_COLOR is set")
    if not is_terminal:
        return ok(f"off, because {_NO_TERMINAL}")
    if environ.get("TERM", "dumb") in {"", "dumb"}:
        return ok("off, because TERM names a terminal without colours")
    if environ.get("COLORTERM") in {"truecolor", "24bit"}:
        return ok("16 million")
    return ok("256" if "256" in environ["TERM"] else "at least 8")


CHECKS = (
    Check("kind", "tables with titles, and progress", look_at_kind),
    Check("size", "reading tables", look_at_size),
    Check("encoding", "signs beyond ASCII", look_at_encoding),
    Check("colours", "finding a status at a glance", look_at_colours),
)
