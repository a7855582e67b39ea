"""Where the services are, and to whom the token is given."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from observatory.client.address import Address, checked_url, find_address, is_loopback_url
from observatory.client.data_folder import Running
from observatory.client.errors import NotReachable
from observatory.core.errors import Refused

TOKEN = "token-of-the-folder"
RUNNING = Running(
    pid=7,
    instance_id="01a20000-0000-7000-8000-000000000007",
    version="0.1.0",
    started_at=datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
    gateway="http://192.0.2.1:3000",
    read_model="http://192.0.2.1:8080",
)


@pytest.fixture
def owned(tmp_path: Path) -> Path:
    """A data folder that somebody owns."""
    (tmp_path / "running.json").write_bytes(msgspec.json.encode(RUNNING))
    (tmp_path / "token").write_text(TOKEN + "\n", encoding="utf-8")
    return tmp_path


# --- parsing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://127.0.0.1:3000/", "http://127.0.0.1:3000"),
        ("  http://127.0.0.1:3000\n", "http://127.0.0.1:3000"),
        ("HTTPS://Jobs.Example.org", "https://jobs.example.org"),
        ("http://[::1]:3000/", "http://[::1]:3000"),
        ("https://example.org/odd/", "https://example.org/odd"),
        ("http://127.0.0.1:0", "http://127.0.0.1:0"),
        ("http://bücher.example", "http://bücher.example"),
    ],
)
def test_an_address_is_scheme_host_and_port_without_a_slash_at_its_end(given: str, understood: str) -> None:
    assert checked_url(given) == understood


@pytest.mark.parametrize(
    "given",
    ["", "127.0.0.1:3000", "localhost", "ftp://example.org", "http://", "http://:3000", "http://example.org:port",
     "http://example.org:99999", "http://[::1", "http://some where", "http://a\x1bb", "http://ann:pw@example.org",
     "http://ann@example.org", "http://example.org?x=1", "http://example.org#top", "//example.org"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_an_example(given: str) -> None:
    with pytest.raises(Refused, match=r"is not an address; write it like http://127\.0\.0\.1:3000") as caught:
        checked_url(given)

    assert caught.value.code == "bad_address"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "LOCALHOST"])
def test_this_machine_is_known_by_its_own_names(host: str) -> None:
    assert is_loopback_url(f"http://{host}:1")


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "0.0.0.0", "[2001:db8::1]", "localhost.example.org", "127.0.0.1.example"]
)
def test_other_machines_are_not_taken_for_this_one(host: str) -> None:
    assert not is_loopback_url(f"http://{host}:1")


# --- finding --------------------------------------------------------------------------------------


def test_without_names_the_process_that_owns_the_folder_is_taken(owned: Path) -> None:
    address = find_address(data_dir=owned, environ={})

    assert (address.gateway, address.read_model, address.token) == (RUNNING.gateway, RUNNING.read_model, TOKEN)
    assert address.known_from == f"process 7 of {owned}, started 2026-01-31 12:00:00Z"


def test_the_folder_is_found_through_the_environment(owned: Path) -> None:
    assert find_address(environ={"ODD_DATA_DIR": str(owned)}).gateway == RUNNING.gateway


def test_the_named_folder_goes_before_the_environment(owned: Path, tmp_path: Path) -> None:
    address = find_address(data_dir=owned, environ={"ODD_DATA_DIR": str(tmp_path / "other")})

    assert address.gateway == RUNNING.gateway


def test_where_nothing_runs_and_nothing_is_named_there_is_no_address(tmp_path: Path) -> None:
    with pytest.raises(NotReachable, match="no observatory is running here") as caught:
        find_address(data_dir=tmp_path, environ={})

    assert str(tmp_path) in caught.value.why
    assert "odd-dashboard up" in caught.value.remedy


def test_a_named_gateway_that_owns_the_folder_brings_its_read_model(owned: Path) -> None:
    assert find_address(gateway=RUNNING.gateway + "/", data_dir=owned, environ={}).read_model == RUNNING.read_model


def test_a_named_gateway_elsewhere_brings_no_read_model_of_ours(owned: Path) -> None:
    assert find_address(gateway="http://192.0.2.2:3000", data_dir=owned, environ={}).read_model is None


@pytest.mark.parametrize("name", ["gateway", "read_model"])
def test_a_bad_address_is_refused_whichever_it_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="is not an address"):
        find_address(**{name: "somewhere"}, data_dir=tmp_path, environ={})


# --- the token ------------------------------------------------------------------------------------


@pytest.mark.parametrize("gateway", ["http://127.0.0.1:9", "http://localhost:9", RUNNING.gateway])
def test_the_folders_token_goes_to_this_machine_and_to_the_owner(owned: Path, gateway: str) -> None:
    assert find_address(gateway=gateway, data_dir=owned, environ={}).token == TOKEN


@pytest.mark.parametrize(
    ("gateway", "read_model"),
    [
        ("http://192.0.2.2:3000", None),
        ("http://192.0.2.1:3001", None),
        ("https://192.0.2.1:3000", None),
        ("http://127.0.0.1:3000", "http://192.0.2.2:8080"),
    ],
)
def test_the_folders_token_goes_nowhere_else(owned: Path, gateway: str, read_model: str | None) -> None:
    assert find_address(gateway=gateway, read_model=read_model, data_dir=owned, environ={}).token is None


def test_the_token_of_the_environment_goes_where_the_person_says(owned: Path) -> None:
    address = find_address(gateway="http://192.0.2.2:3000", data_dir=owned, environ={"ODD_TOKEN": " mine\n"})

    assert address.token == "mine"


def test_a_token_is_not_shown_by_its_address() -> None:
    shown = repr(Address(gateway="http://127.0.0.1:1", read_model=None, token=TOKEN))

    assert TOKEN not in shown
    assert "***" in shown


# --- of the environment ---------------------------------------------------------------------------


def test_the_environment_names_the_gateway_when_nothing_else_does(owned: Path) -> None:
    environ = {"ODD_GATEWAY_URL": "http://192.0.2.9:3000/", "ODD_DATA_DIR": str(owned)}

    by_environment = find_address(environ=environ)

    assert (by_environment.gateway, by_environment.read_model) == ("http://192.0.2.9:3000", None)
    assert by_environment.token is None, "the token of the folder is not for another machine"
    assert find_address(environ=environ | {"ODD_TOKEN": "mine"}).token == "mine"


def test_what_the_call_names_goes_before_the_environment(owned: Path) -> None:
    environ = {"ODD_GATEWAY_URL": "http://192.0.2.9:3000"}

    assert find_address(gateway="http://192.0.2.2:3000", environ=environ).gateway == "http://192.0.2.2:3000"
    assert find_address(data_dir=owned, environ=environ).gateway == RUNNING.gateway
    assert find_address(read_model="http://192.0.2.2:8080", data_dir=owned, environ=environ).gateway is None


def test_an_address_of_the_environment_that_is_none_is_refused() -> None:
    with pytest.raises(Refused, match="is not an address"):
        find_address(environ={"ODD_GATEWAY_URL": "localhost"})


def test_a_broken_file_does_not_matter_where_the_address_is_named(owned: Path) -> None:
    (owned / "running.json").write_bytes(b"{")

    here = find_address(gateway="http://127.0.0.1:3000", data_dir=owned, environ={})
    away = find_address(gateway=RUNNING.gateway, data_dir=owned, environ={})
    of_environment = find_address(environ={"ODD_GATEWAY_URL": "http://127.0.0.1:3000", "ODD_DATA_DIR": str(owned)})

    assert (here.gateway, here.token) == ("http://127.0.0.1:3000", TOKEN)
    assert (away.gateway, away.token) == (RUNNING.gateway, None)
    assert of_environment == here
    with pytest.raises(NotReachable, match="cannot tell where the services run"):
        find_address(data_dir=owned, environ={})
