"""The schemas by name and version, read once from the folder that holds them."""

import functools
import json
from pathlib import Path

from observatory.core.errors import CannotStart, Refused
from observatory.core.job import JsonObject

URN_PREFIX = "urn:task-observatory:schema:"


@functools.cache
def folder() -> Path:
    """
    Where the contracts lie: inside an installed package, else in the repository that it was installed from in place.

    Raises:
        CannotStart: Neither exists.
    """
    here = Path(__file__).resolve().parent
    for candidate in (here / "files", here.parents[2] / "contracts"):
        if (candidate / "schemas").is_dir():
            return candidate
    raise CannotStart("the contracts are missing from this installation", "Install task-observatory again.")


@functools.cache
def schemas_by_id() -> dict[str, JsonObject]:
    """Every schema under its `$id`. The same objects at every call: read them, do not change them."""
    found: dict[str, JsonObject] = {}
    for path in sorted((folder() / "schemas").rglob("*.json")):
        document: JsonObject = json.loads(path.read_bytes())
        assert document["$id"] not in found, f"{path} repeats the id {document['$id']}"
        found[document["$id"]] = document
    return found


@functools.cache
def names() -> tuple[str, ...]:
    """The name of every schema, sorted."""
    return tuple(sorted({_name_and_version(urn)[0] for urn in schemas_by_id()}))


@functools.cache
def versions(name: str) -> tuple[str, ...]:
    """
    The versions of *name*, oldest first.

    Raises:
        Refused: No schema has this name (`unknown_schema`).
    """
    found = [version for known, version in map(_name_and_version, schemas_by_id()) if known == name]
    if not found:
        raise Refused(f"there is no schema {name!r}; there are {', '.join(names())}", code="unknown_schema")
    return tuple(sorted(found, key=_numbers))


@functools.cache
def schema_id(name: str, version: str | None = None) -> str:
    """
    The `$id` of *name*.

    Args:
        version: None means the newest.

    Raises:
        Refused: No schema has this name or this version (`unknown_schema`).
    """
    known = versions(name)
    if version is not None and version not in known:
        detail = f"there is no version {version!r} of the schema {name}; there are {', '.join(known)}"
        raise Refused(detail, code="unknown_schema")
    return f"{URN_PREFIX}{name}:{version or known[-1]}"


def schema(name: str, version: str | None = None) -> JsonObject:
    """The JSON Schema of *name*; see `schema_id`. Read it, do not change it."""
    return schemas_by_id()[schema_id(name, version)]


def _name_and_version(urn: str) -> tuple[str, str]:
    name, _, version = urn.removeprefix(URN_PREFIX).partition(":")
    return name, version


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
