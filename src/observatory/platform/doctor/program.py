"""The program itself: what it is and what it was installed with."""

import importlib
import shlex
import sys
from importlib import metadata

from observatory.core import limits
from observatory.platform.doctor.examine import Check
from observatory.platform.doctor.report import Finding, fail, ok, warn
from observatory.platform.doctor.subject import Subject

PYTHON_MIN = (3, 11)

PACKAGES: tuple[tuple[str, str], ...] = (
    ("cronsim", "cronsim"),
    ("cyclopts", "cyclopts"),
    ("httpx2", "httpx2"),
    ("jsonschema-rs", "jsonschema_rs"),
    ("litestar", "litestar"),
    ("msgspec", "msgspec"),
    ("prometheus-client", "prometheus_client"),
    ("rich", "rich"),
    ("structlog", "structlog"),
    ("tzdata", "tzdata"),
    ("uvicorn", "uvicorn"),
)
"""What every installation needs: as it is installed, and as it is imported."""


def look_at_version(subject: Subject) -> Finding:
    build = subject.build
    return ok(f"{build.version} (commit {build.commit}, built {build.built_at})")


def look_at_python(subject: Subject) -> Finding:
    return judged_python(sys.version_info[:2], f"{subject.build.python}, {sys.executable}")


def judged_python(version: tuple[int, ...], called: str) -> Finding:
    wanted = ".".join(map(str, PYTHON_MIN))
    if version < PYTHON_MIN:
        return fail(f"{called}; {wanted} is the oldest that works", f"install with python{wanted} or a later one")
    return ok(called)


def look_at_packages(subject: Subject) -> Finding:
    return judged_packages(PACKAGES, subject)


def judged_packages(packages: tuple[tuple[str, str], ...], subject: Subject) -> Finding:
    found: list[str] = []
    missing: dict[str, str] = {}
    for package, module in packages:
        try:
            importlib.import_module(module)
            found.append(f"{package} {metadata.version(package)}")
        except Exception as error:  # noqa: BLE001  a broken package may raise anything
            missing[package] = f"{package} cannot be imported ({type(error).__name__}: {error})"
    if missing:
        return fail("; ".join(missing.values()), install_command(list(missing), subject))
    return ok(", ".join(found))


def look_at_event_loop(subject: Subject) -> Finding:
    return judged_event_loop(subject.build.event_loop, sys.platform, subject)


def judged_event_loop(event_loop: str, platform: str, subject: Subject) -> Finding:
    if event_loop.startswith("uvloop") or platform == "win32":
        return ok(event_loop)
    return warn(f"{event_loop}: works, and takes more time per job than uvloop", install_command(["uvloop"], subject))


def look_at_settings(subject: Subject) -> Finding:
    if subject.problems:
        return fail("; ".join(subject.problems), "odd-dashboard config show --origin")
    return ok("can be used")


def install_command(packages: list[str], subject: Subject) -> str:
    """What brings back *packages* at the versions that the program was tested with, or at fitting ones."""
    if subject.build.is_checkout:
        return "rm -r .venv && make setup"
    return shlex.join([sys.executable, "-m", "pip", "install", "--force-reinstall", *packages])


CHECKS = (
    Check("version", "reporting faults", look_at_version),
    Check("python", "everything", look_at_python),
    Check("packages", "everything", look_at_packages, limits.DOCTOR_SLOW_CHECK_S_MAX),
    Check("event_loop", "speed", look_at_event_loop),
    Check("settings", "starting", look_at_settings),
)
