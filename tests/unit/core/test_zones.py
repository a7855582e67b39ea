import zoneinfo

import pytest

from observatory.core import limits
from observatory.core.errors import InvalidSchedule
from observatory.core.zones import zone_of


def test_every_zone_of_the_machine_is_taken_by_its_name():
    names = zoneinfo.available_timezones() - {"localtime", "Factory"}

    assert len(names) > 400
    assert {name for name in names if zone_of(name).key != name} == set()


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "/", "Europe", "Europe/", "/Europe/Berlin", "Europe//Berlin", "Europe/../Europe/Berlin"),
        *(
            "../../etc/passwd",
            "/etc/localtime",
            "Europe\\Berlin",
            "Europe/Berlin ",
            "Europe/Berlin\n",
            "Europe/Berlin\0",
        ),
        *("Europe/Nowhere", "localtime", "posixrules", "posix/Europe/Berlin", "right/Europe/Berlin", "tzdata.zi"),
        *("zone.tab", "+01:00", "UTC+1", "CET-1CEST", "A" * (limits.TIMEZONE_CHARS_MAX + 1), "A/" * 50_000, "Ευρώπη"),
        "\ud800",
    ],
)
def test_what_is_no_zone_is_refused(name):
    with pytest.raises(InvalidSchedule) as refused:
        zone_of(name)

    assert (refused.value.code, refused.value.pointer) == ("unknown_timezone", "/timezone")
    assert len(refused.value.detail) < 400
