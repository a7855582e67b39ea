"""The application whose handlers run, when there is one."""

from observatory.core import limits
from observatory.core.errors import BadSettings
from observatory.platform.doctor.examine import Check
from observatory.platform.doctor.report import Finding, fail, ok, skip, warn
from observatory.platform.doctor.subject import Subject


def look_at_application(subject: Subject) -> Finding:
    if subject.app is None and subject.ports is None:
        return skip("not known: the settings cannot be used")
    if subject.app is None:
        return ok("none is set: the built-in job types run alone")
    try:
        types = subject.types_of(subject.app)
    except BadSettings as error:
        return fail(str(error), error.remedy)
    except TimeoutError:
        return warn(
            f"{subject.app} was not imported within {limits.DOCTOR_IMPORT_S_MAX:g} s: each child process takes as long",
            "import what is slow inside of the handlers that need it",
        )
    return judged_types(subject.app, types)


def judged_types(app: str, types: list[str]) -> Finding:
    if not types:
        return warn(f"{app} has no job types", "define one:  @app.job('name')")
    named = ", ".join(types[: limits.DOCTOR_TYPES_NAMED_MAX])
    plural = "" if len(types) == 1 else "s"
    more = len(types) - limits.DOCTOR_TYPES_NAMED_MAX
    return ok(f"{app} has {len(types)} job type{plural}: {named}{f' and {more} more' if more > 0 else ''}")


CHECKS = (Check("handlers", "running your jobs", look_at_application, limits.DOCTOR_SLOW_CHECK_S_MAX),)
