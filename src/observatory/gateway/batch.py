"""The body of a batch submit: an array, or one document per line."""

from typing import Any

from observatory.core import limits
from observatory.core.errors import Refused
from observatory.core.strict_json import decode


def documents_of_array(body: bytes) -> list[Any]:
    """
    The items of a JSON array.

    Raises:
        BadJson: The body is not JSON; then no item can be told from another.
        Refused: Not an array, empty, or too long.
    """
    items = decode(body, body_bytes_max=limits.BATCH_BODY_BYTES_MAX)
    if not isinstance(items, list):
        raise Refused("the body must be an array of jobs", code="invalid_batch", pointer="")
    _check_count(len(items))
    return items


def documents_of_lines(body: bytes) -> list[Any]:
    """
    The document of each line that is not blank; for a line that is not JSON, the `Refused` that says so.

    Raises:
        Refused: No line, or too many.
    """
    lines = [line for line in body.split(b"\n") if line.strip(b" \t\r")]
    _check_count(len(lines))
    return [_document_or_refusal(line) for line in lines]


def _document_or_refusal(line: bytes) -> Any:
    try:
        return decode(line)
    except Refused as error:
        return error


def _check_count(count: int) -> None:
    if not 1 <= count <= limits.BATCH_JOBS_MAX:
        detail = f"a batch holds 1 to {limits.BATCH_JOBS_MAX} jobs, not {count}"
        raise Refused(detail, code="invalid_batch", pointer="")
