"""Where a list goes on: an opaque text that fits the list and the filter it was made for.

Its check sum is no secret. It tells a cursor that was cut, changed or taken from another list from a good
one; whoever forges one gets at nothing that the list would not show.
"""

import base64
import binascii
import hashlib
from typing import Final

from observatory.core import limits
from observatory.core.errors import BadQuery

_VERSION: Final = b"\x01"
_PLACE_BYTES: Final = 8
_SUM_BYTES: Final = 8
_BYTES: Final = len(_VERSION) + _PLACE_BYTES + _SUM_BYTES


class Cursors:
    """
    The cursors of one list.

    Args:
        of: Names the list and its filter; a cursor of another one is refused.
    """

    def __init__(self, of: str) -> None:
        self._of = of

    def place(self, cursor: str | None) -> int | None:
        """
        Where the page begins; None without a cursor: at the beginning.

        Raises:
            BadQuery: Not a cursor of this list and filter (`bad_cursor`).
        """
        return None if cursor is None else read_cursor(cursor, of=self._of)

    def cursor(self, place: int | None) -> str | None:
        """For the page that begins at *place*; None when there is none."""
        return None if place is None else write_cursor(place, of=self._of)


def write_cursor(place: int, *, of: str) -> str:
    """
    The cursor for *place*.

    Args:
        place: From 1 to `limits.CURSOR_PLACE_MAX`: a number of the store, such as a position.
        of: Names the list and its filter; reading needs the same.
    """
    assert 1 <= place <= limits.CURSOR_PLACE_MAX, f"no row stands at {place}"
    known = _VERSION + place.to_bytes(_PLACE_BYTES, "big")
    return base64.urlsafe_b64encode(known + _check_sum(known, of)).rstrip(b"=").decode()


def read_cursor(text: str, *, of: str) -> int:
    """
    The place that *text* was written for, from 1 to `limits.CURSOR_PLACE_MAX`.

    Raises:
        BadQuery: Not a cursor of this list and filter (`bad_cursor`).
    """
    raw = _decoded(text)
    known, check_sum = raw[:-_SUM_BYTES], raw[-_SUM_BYTES:]
    place = int.from_bytes(known[1:], "big")
    is_ours = len(raw) == _BYTES and known[:1] == _VERSION and check_sum == _check_sum(known, of)
    # Whoever computes the check sum may name any place; one that no store can hold would fail inside the store.
    if not is_ours or not 1 <= place <= limits.CURSOR_PLACE_MAX:
        raise BadQuery(
            "this cursor was not given by this list with this filter; begin again without one", code="bad_cursor"
        )
    return place


def _decoded(text: str) -> bytes:
    if len(text) > limits.CURSOR_CHARS_MAX or not text.isascii():
        return b""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _check_sum(known: bytes, of: str) -> bytes:
    return hashlib.blake2s(known + of.encode(), digest_size=_SUM_BYTES, person=b"cursor").digest()
