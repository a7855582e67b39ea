"""The check of a file, for people and for build servers."""

from pathlib import Path
from typing import Any

from observatory.contracts.catalog import schema_id
from observatory.contracts.validation import ENVELOPE, envelope_version, validate
from observatory.contracts.violation import Violation
from observatory.core import limits, strict_json
from observatory.core.errors import Refused


def validate_file(path: Path, name: str, version: str | None = None) -> list[Violation]:
    """
    The faults of the JSON document in *path*.

    Args:
        version: None means the one that an event declares, and for every other document the newest.

    Raises:
        Refused: No such schema (`unknown_schema`), or the file cannot be read (`unreadable_file`).
        BadJson: The file is not strict JSON.
    """
    schema_id(name, version)  # an unknown schema is said before the file is looked at
    document = read_document(path)
    if version is None and name == ENVELOPE:
        version = envelope_version(document)
    return validate(name, document, version)


def read_document(path: Path) -> Any:
    """
    The strict JSON document in *path*, at most `limits.CHECKED_FILE_BYTES_MAX` long.

    Raises:
        Refused: The file cannot be read (`unreadable_file`).
        BadJson: It is not strict JSON.
    """
    return strict_json.decode(_bytes_of(path), body_bytes_max=limits.CHECKED_FILE_BYTES_MAX)


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limits.CHECKED_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", code="unreadable_file") from error
