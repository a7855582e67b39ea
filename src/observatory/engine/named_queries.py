"""Named SQL: a `.sql` file beside its driver, one statement under each `-- name:` line."""

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (?P<name>\w+)(?: — .*)?$")


def load_queries(path: Path) -> dict[str, str]:
    """
    Each statement of *path* by its name.

    A statement begins after `-- name: NAME — one line of purpose` and ends before the next one.

    Raises:
        ValueError: Text before the first name, a name given twice or written otherwise, or an empty statement.
    """
    queries: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _NAME.match(line)
        if match:
            if match["name"] in queries:
                raise ValueError(f"{path.name}: {match['name']} is defined twice")
            lines = queries[match["name"]] = []
        elif line.startswith("-- name:"):
            raise ValueError(f"{path.name}: not of the form `-- name: NAME — purpose`: {line}")
        elif lines is not None:
            lines.append(line)
        elif line.strip() and not line.startswith("--"):
            raise ValueError(f"{path.name}: a statement before the first name")
    statements = {name: "\n".join(lines).strip().rstrip(";") for name, lines in queries.items()}
    empty = [name for name, statement in statements.items() if not statement]
    if empty:
        raise ValueError(f"{path.name}: nothing under {empty}")
    return statements
