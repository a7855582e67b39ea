"""The operating system: limits, time, and whether there is a web browser."""

import getpass
import platform
import shlex
import shutil
import socket
import sys
import webbrowser
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from observatory.core import limits
from observatory.platform.doctor.data_folder import size
from observatory.platform.doctor.examine import Check
from observatory.platform.doctor.report import Finding, fail, ok, skip, warn
from observatory.platform.doctor.subject import Subject

try:
    import resource
except ImportError:  # Windows
    resource = None

ZONE = "Europe/Berlin"
YEAR_MAX = 2100
_SET_CLOCK = {"linux": "sudo timedatectl set-ntp true", "darwin": "sudo sntp -sS time.apple.com"}


def look_at_system(subject: Subject) -> Finding:
    return ok(f"{platform.system()} {platform.release()}, {platform.machine()}")


def look_at_open_files(subject: Subject) -> Finding:
    if resource is None:
        return skip("this system has no such limit")
    return judged_open_files(*resource.getrlimit(resource.RLIMIT_NOFILE))


def judged_open_files(soft: int, hard: int) -> Finding:
    if soft < 0 or soft >= limits.OPEN_FILES_WARN:
        return ok("no limit" if soft < 0 else f"at most {soft}")
    wanted = limits.OPEN_FILES_WARN * 4 if hard < 0 else min(hard, limits.OPEN_FILES_WARN * 4)
    if wanted < limits.OPEN_FILES_WARN:
        return warn(f"at most {soft}, and {hard} is all that is allowed", "have an administrator raise `nofile`")
    return warn(f"at most {soft}: with many clients it will refuse some", f"ulimit -n {wanted}")


def look_at_memory_limits(subject: Subject) -> Finding:
    if resource is None or sys.platform != "linux":
        return skip(f"memory_bytes_max of a job type has no effect on {platform.system()}: Linux alone enforces it")
    return judged_memory_limit(resource.getrlimit(resource.RLIMIT_AS)[0])


def judged_memory_limit(soft: int) -> Finding:
    if soft < 0:
        return ok("memory_bytes_max of a job type is enforced; this process has no limit of its own")
    return warn(
        f"this shell allows each process {size(soft)}, whatever memory_bytes_max says",
        "ulimit -v unlimited",
    )


def look_at_clock(subject: Subject) -> Finding:
    return judged_clock(subject.clock.now(), subject.build.built_at)


def judged_clock(now: datetime, built_at: str) -> Finding:
    shown = f"{now:%Y-%m-%d %H:%M:%S}Z"
    remedy = _SET_CLOCK.get(sys.platform, "set the clock of this machine")
    if now.year > YEAR_MAX:
        return fail(f"{shown} is too far ahead", remedy)
    try:
        built = datetime.fromisoformat(built_at).astimezone(UTC)
    except ValueError:
        return ok(f"{shown} (when the program was built is not known)")
    if now < built - timedelta(days=1):
        return fail(f"{shown} is before the program was built ({built:%Y-%m-%d})", remedy)
    return ok(shown)


def look_at_time_zones(subject: Subject) -> Finding:
    try:
        zoneinfo.ZoneInfo(ZONE)
    except zoneinfo.ZoneInfoNotFoundError:
        command = shlex.join([sys.executable, "-m", "pip", "install", "tzdata"])
        return fail(f"{ZONE} cannot be loaded: this machine has no time zones", command)
    return ok(f"{ZONE} can be loaded")


def look_at_browser(subject: Subject) -> Finding:
    urls = _urls(subject)
    if why := headless_because(subject.environ, sys.platform):
        return judged_headless(why, urls)
    try:
        webbrowser.get()
    except webbrowser.Error:
        return judged_headless("none was found", urls)
    return ok(f"one is there, for {urls[0]}" if urls else "one is there")


def headless_because(environ: Mapping[str, str], system: str) -> str:
    """Why no window can be opened; empty when one can."""
    if any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")):
        return "this is a session over SSH"
    if system == "linux" and not environ.get("DISPLAY") and not environ.get("WAYLAND_DISPLAY"):
        has_other_desktop = "WSL_DISTRO_NAME" in environ and shutil.which("wslview")
        return "" if has_other_desktop else "this machine has no screen"
    return ""


def judged_headless(why: str, urls: list[str]) -> Finding:
    if not urls:
        return skip(f"not looked for: {why}", "odd-dashboard up  # prints the address")
    ports = dict.fromkeys(urlsplit(url).port for url in urls)
    tunnels = [word for port in ports for word in ("-L", f"{port}:127.0.0.1:{port}")]
    command = shlex.join(["ssh", "-N", *tunnels, f"{_user()}@{socket.gethostname()}"])
    return skip(
        f"not looked for: {why}; the dashboard is at {urls[0]}", f"{command}  # on the machine with the browser"
    )


def _urls(subject: Subject) -> list[str]:
    """Where the dashboard is or will be, and what it asks; empty when nobody can tell before the start."""
    running = subject.owner.running
    if subject.owner.answers and running is not None and running.web:
        return [running.web, running.read_model, running.gateway]
    numbers = {port.service: port.number for port in subject.ports or ()}
    wanted = [numbers.get(service, 0) for service in ("web", "read-model", "gateway")]
    return [f"http://127.0.0.1:{number}" for number in wanted] if all(wanted) else []


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "USER"


CHECKS = (
    Check("system", "reporting faults", look_at_system),
    Check("open_files", "many clients and children", look_at_open_files),
    Check("memory_limits", "job types with memory_bytes_max", look_at_memory_limits),
    Check("clock", "jobs that are due at a time", look_at_clock),
    Check("time_zones", "schedules in a time zone", look_at_time_zones),
    Check("browser", "up --open yes", look_at_browser),
)
