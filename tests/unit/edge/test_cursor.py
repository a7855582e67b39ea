import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.core import limits
from observatory.core.errors import BadQuery
from observatory.edge.cursor import read_cursor, write_cursor
from tests.unit.read_model.forged import forged_cursor

PLACES = st.integers(1, limits.CURSOR_PLACE_MAX)


@given(PLACES, st.text(max_size=20))
def test_a_cursor_reads_back(place: int, of: str) -> None:
    cursor = write_cursor(place, of=of)

    assert read_cursor(cursor, of=of) == place
    assert len(cursor) <= limits.CURSOR_CHARS_MAX


@given(PLACES, st.integers(0, 16), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, index: int, change: int) -> None:
    cursor = write_cursor(place, of="jobs")
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[index] ^= change

    with pytest.raises(BadQuery) as refused:
        read_cursor(base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="), of="jobs")
    assert refused.value.code == "bad_cursor"


@given(st.text(max_size=600))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(BadQuery) as refused:
        read_cursor(text, of="jobs")
    assert refused.value.code == "bad_cursor"


def test_a_cursor_fits_its_own_list_only() -> None:
    with pytest.raises(BadQuery):
        read_cursor(write_cursor(1, of="jobs"), of="events")


@pytest.mark.parametrize("place", [1, limits.CURSOR_PLACE_MAX])
def test_the_first_and_the_last_place_of_a_store_are_read(place: int) -> None:
    assert read_cursor(forged_cursor(place, of="jobs"), of="jobs") == place


@pytest.mark.parametrize("place", [0, limits.CURSOR_PLACE_MAX + 1, 2**64 - 1])
def test_a_place_that_no_store_has_is_refused_although_its_check_sum_is_right(place: int) -> None:
    with pytest.raises(BadQuery) as refused:
        read_cursor(forged_cursor(place, of="jobs"), of="jobs")
    assert refused.value.code == "bad_cursor"


@pytest.mark.parametrize("place", [0, limits.CURSOR_PLACE_MAX + 1])
def test_a_cursor_for_such_a_place_is_not_written(place: int) -> None:
    with pytest.raises(AssertionError):
        write_cursor(place, of="jobs")
