"""Which kind of file system a folder lies on."""

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")


def file_system_of(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind, as `mount` names it; None when this system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    path = path.resolve()
    found: tuple[int, str] | None = None
    for line in lines:
        before, separator, after = line.partition(" - ")
        words = before.split(" ")
        if not separator or len(words) < 5:
            continue
        place = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), words[4]))
        depth = len(place.parts)
        # Of two mounts at one place the later one is seen.
        if path.is_relative_to(place) and (found is None or depth >= found[0]):
            found = (depth, after.split(" ")[0])
    return found[1] if found else None
