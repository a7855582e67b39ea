"""Which Host headers does an entry of a list of allowed hosts let in?"""

import pytest

from observatory.edge.hosts import AllowedHosts, allowed_host, host_of
from observatory.runtime.settings_values import host_list

NAMED = {
    "jobs.example.org": (["jobs.example.org", "JOBS.example.org:8443"], ["example.org", "a.jobs.example.org", "jobs"]),
    "Jobs.Example.Org": (["jobs.example.org"], []),
    "*.example.org": (
        ["jobs.example.org", "a.b.example.org:3000", "x-1.EXAMPLE.org"],
        ["example.org", ".example.org", "evilexample.org", "example.org.evil.net", "jobs.example.org.evil.net"],
    ),
    "*.example.org:3000": (["jobs.example.org:3000"], ["jobs.example.org", "jobs.example.org:3001"]),
    "10.0.0.5": (["10.0.0.5", "10.0.0.5:3000"], ["10.0.0.55", "10.0.0.5.nip.io", "010.0.0.5"]),
    "10.0.0.5:3000": (["10.0.0.5:3000"], ["10.0.0.5", "10.0.0.5:80", "10.0.0.5:30001"]),
    "10.0.0.5:80": (["10.0.0.5", "10.0.0.5:80"], ["10.0.0.5:443", "10.0.0.5:3000"]),
    "[fd00::1]": (["[fd00::1]", "[fd00::1]:3000", "[FD00:0::0001]"], ["[fd00::11]", "fd00::1", "[fd00::1]x"]),
    "fd00::1": (["[fd00::1]", "[fd00::1]:3000"], ["[fd00::2]"]),
    "fe80::1%eth0": (["[fe80::1]:3000"], ["[fe80::2]"]),
    "[fd00::1]:3000": (["[fd00::1]:3000"], ["[fd00::1]", "[fd00::1]:3001"]),
}


def lets_in(entry: str, header: str, scheme: str = "http") -> bool:
    host = host_of(header)
    return host is not None and AllowedHosts([entry]).allows(host, scheme=scheme)


@pytest.mark.parametrize("entry", NAMED)
def test_an_entry_lets_in_exactly_what_it_names(entry: str) -> None:
    let_in, turned_away = NAMED[entry]

    assert [header for header in let_in if not lets_in(entry, header)] == []
    assert [header for header in turned_away if lets_in(entry, header)] == []


def test_a_host_without_a_port_has_the_port_of_its_scheme() -> None:
    assert lets_in("jobs.example:443", "jobs.example", scheme="https")
    assert not lets_in("jobs.example:443", "jobs.example", scheme="http")


@pytest.mark.parametrize("entry", NAMED)
def test_the_setting_takes_every_form_and_keeps_its_meaning(entry: str) -> None:
    let_in, turned_away = NAMED[entry]

    (kept,) = host_list(entry)

    assert all(lets_in(kept, header) for header in let_in)
    assert not any(lets_in(kept, header) for header in turned_away)


def test_the_setting_keeps_one_entry_for_spellings_of_the_same_host() -> None:
    assert host_list("fd00::1, [FD00::1], A.example, a.example") == ("[fd00::1]", "a.example")


@pytest.mark.parametrize(
    "entry",
    [
        "", "*", "*.", "*.org", "*.*.example.org", "a.*.org", "*.10.0.0.5", "*.[fd00::1]", "*..example.org", "[fd00::1",
        "[]", "[10.0.0.5]", "[:::]", "jobs.example:", "jobs.example:99999", "jobs.example:x", "http://jobs.example",
        "jobs.example/x", "user@jobs.example", "jobs example",
    ],
)  # fmt: skip
def test_what_is_no_host_is_refused_with_the_forms_that_are(entry: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        allowed_host(entry)
    if entry:
        with pytest.raises(ValueError, match=r"must name a host such as .*; '.*' is not one"):
            host_list([entry])
