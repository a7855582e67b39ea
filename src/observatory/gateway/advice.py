"""What the answer to an accepted request says beside its result: the header `Job-Warning`, a `warning` in a batch."""

import difflib
import functools
from collections.abc import Iterable
from typing import Any

import msgspec

from observatory.contracts.violation import quoted
from observatory.core import limits
from observatory.core.job import JsonObject


def unknown_type(job_type: str, consequence: str) -> str:
    """
    That no processor has announced *job_type*.

    Args:
        consequence: What follows from it.
    """
    return f'unknown_type: no processor has announced the type "{job_type}"; {consequence}'


def unknown_members(document: JsonObject, into: type[msgspec.Struct], what: str) -> str | None:
    """
    Which members of *document* have no meaning, as printable ASCII of bounded length; None when there are none.

    The schemas are open, so such a member is accepted; a misspelt one would change the run without a word.

    Args:
        into: Its fields are the members that have one.
        what: The document in the caller's words: `a job request`.
    """
    known = members_of(into)
    unknown = [name for name in document if name not in known]
    if not unknown:
        return None
    named = unknown[: limits.UNKNOWN_MEMBERS_NAMED_MAX]
    said = [f"{quoted(name)} is not a member of {what}{_did_you_mean(name, known)}" for name in named]
    rest = len(unknown) - len(named)
    return f"unknown_member: {'; '.join(said)}{f'; and {rest} more' if rest else ''}"


@functools.cache
def members_of(into: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names of the fields of *into* on the wire."""
    return tuple(field.encode_name for field in msgspec.structs.fields(into))


def joined(said: Iterable[str | None]) -> str | None:
    """All that was *said*, in one line; None when nothing was."""
    return "; ".join(one for one in said if one is not None) or None


@functools.lru_cache(maxsize=limits.UNKNOWN_MEMBERS_REMEMBERED)
def _similar(name: str, known: tuple[str, ...]) -> str | None:
    close: list[Any] = difflib.get_close_matches(name.lower(), [one.lower() for one in known], n=1)
    return next((one for one in known if one.lower() in close), None)


def _did_you_mean(name: str, known: tuple[str, ...]) -> str:
    """A long name is compared with nothing: it resembles none, and comparing takes the longer."""
    similar = _similar(name, known) if len(name) <= 2 * max(map(len, known)) else None
    return "" if similar is None else f'; did you mean "{similar}"?'
