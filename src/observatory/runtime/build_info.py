"""Which build this is: for `--version`, for events, and for reports of faults."""

import functools
import platform
import subprocess
from pathlib import Path

import msgspec

DISTRIBUTION = "task-observatory"
UNKNOWN = "unknown"
BUILD_FILE = Path(__file__).with_name("build.json")
"""Written into a wheel when it is built: `{"commit": "…", "builtAt": "…"}`."""

_CHECKOUT = Path(__file__).resolve().parents[3]
_GIT_S_MAX = 2.0


class BuildInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One build. What cannot be found out is `unknown`."""

    version: str
    commit: str
    """The first twelve digits of its id."""
    built_at: str
    """RFC 3339. In a checkout, where nothing is built, the time of the commit."""
    python: str


class _Built(msgspec.Struct, rename="camel"):
    commit: str = UNKNOWN
    built_at: str = UNKNOWN


@functools.cache
def build_info() -> BuildInfo:
    """This build. Asks git at most once per process."""
    built = _from_git(_CHECKOUT) if is_checkout(_CHECKOUT) else _from_file(BUILD_FILE)
    return BuildInfo(
        version=version(),
        commit=built.commit,
        built_at=built.built_at,
        python=f"{platform.python_implementation()} {platform.python_version()}",
    )


@functools.cache
def version() -> str:
    """The version alone; asks no other program."""
    if is_checkout(_CHECKOUT):
        return (_CHECKOUT / "VERSION").read_text(encoding="utf-8").strip()
    # Costs a quarter of the start-up time, and only an installed package needs it.
    from importlib import metadata  # noqa: PLC0415

    return metadata.version(DISTRIBUTION)


def is_in_checkout() -> bool:
    """True when this program runs from the source tree, in place."""
    return is_checkout(_CHECKOUT)


def is_checkout(root: Path) -> bool:
    """True when *root* is the source tree of this project."""
    return (root / "VERSION").is_file() and (root / "src" / "observatory").is_dir()


def _from_git(root: Path) -> _Built:
    if not (root / ".git").exists():
        return _Built()
    command = ["git", "-C", str(root), "log", "-1", "--abbrev=12", "--format=%h %cI"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_S_MAX, check=True)
    except (OSError, subprocess.SubprocessError):
        return _Built()
    commit, _, committed_at = done.stdout.strip().partition(" ")
    return _Built(commit=commit or UNKNOWN, built_at=committed_at or UNKNOWN)


def _from_file(path: Path) -> _Built:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Built)
    except (OSError, msgspec.DecodeError):
        return _Built()
