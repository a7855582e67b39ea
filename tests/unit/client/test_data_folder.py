"""What a program that did not start the services reads from their data folder."""

import os
from pathlib import Path

import pytest

from observatory.client.data_folder import (
    checked_token,
    data_dir_of,
    default_data_dir,
    read_running,
    read_token,
)
from observatory.client.errors import NotReachable
from observatory.core import limits
from observatory.core.errors import BadSettings
from tests.e2e.process import BY_PERMISSIONS, odd

HOME = Path("/homes/ann")


# --- where it is ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {}, HOME / ".local/share/odd-dashboard"),
        ("linux", {"XDG_DATA_HOME": "/data"}, Path("/data/odd-dashboard")),
        ("linux", {"XDG_DATA_HOME": "relative"}, HOME / ".local/share/odd-dashboard"),
        ("linux", {"XDG_DATA_HOME": ""}, HOME / ".local/share/odd-dashboard"),
        ("freebsd14", {}, HOME / ".local/share/odd-dashboard"),
        ("darwin", {"XDG_DATA_HOME": "/data"}, HOME / "Library/Application Support/odd-dashboard"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/odd-dashboard")),
        ("win32", {}, HOME / "AppData/Local/odd-dashboard"),
    ],
)
def test_the_default_folder_follows_the_systems_convention(
    platform: str, environ: dict[str, str], expected: Path
) -> None:
    assert default_data_dir(environ, platform=platform, home=HOME) == expected


def test_the_first_name_that_is_given_decides() -> None:
    environ = {"ODD_DATA_DIR": "/of/the/environment", "XDG_DATA_HOME": "/of/the/user"}

    assert data_dir_of("/of/the/flag", environ) == Path("/of/the/flag")
    assert data_dir_of(None, environ) == Path("/of/the/environment")
    assert data_dir_of("", environ) == Path("/of/the/environment")
    assert data_dir_of(None, environ | {"ODD_DATA_DIR": ""}) == Path("/of/the/user/odd-dashboard")


def test_a_relative_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert data_dir_of("one/../two", {}) == tmp_path / "two"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    assert data_dir_of(tmp_path / "link", {}) == tmp_path / "link"


def test_the_home_folder_may_be_written_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/homes/ann")

    assert data_dir_of("~/data", {}) == Path("/homes/ann/data")


def test_the_home_of_nobody_is_one_clear_line() -> None:
    with pytest.raises(
        BadSettings, match="~nobody-of-this-name/x cannot be found: there is no such home folder"
    ) as caught:
        data_dir_of("~nobody-of-this-name/x", {})

    assert "ODD_DATA_DIR" in caught.value.remedy


def test_a_user_without_a_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 54321)

    with pytest.raises(BadSettings, match="this user has no folder for data") as caught:
        data_dir_of(None, {})

    assert "--data-dir or ODD_DATA_DIR" in caught.value.remedy


# --- who runs there -------------------------------------------------------------------------------


def test_a_folder_without_an_owner_names_none(tmp_path: Path) -> None:
    assert read_running(tmp_path) is None
    assert read_running(tmp_path / "missing") is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"pid": "seven"}', "\x00" * 100, "x" * 20_000],
    ids=["empty", "cut", "a list", "no fields", "a wrong type", "zeros", "too long"],
)
def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path, content: str) -> None:
    (tmp_path / "running.json").write_text(content, encoding="utf-8")

    with pytest.raises(NotReachable, match="cannot tell where the services run") as caught:
        read_running(tmp_path)

    assert str(tmp_path / "running.json") in str(caught.value)
    assert caught.value.why
    assert "--gateway URL" in caught.value.remedy


def test_fields_of_a_later_release_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text(
        '{"pid":1,"instanceId":"a","version":"9","startedAt":"2026-01-01T00:00:00Z",'
        '"gateway":"http://127.0.0.1:1","readModel":"http://127.0.0.1:2","later":true}',
        encoding="utf-8",
    )

    running = read_running(tmp_path)

    assert running is not None
    assert (running.gateway, running.web) == ("http://127.0.0.1:1", None)


# --- the token ------------------------------------------------------------------------------------


def test_a_token_is_read_without_the_space_around_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("  word\n", encoding="utf-8")

    assert read_token(tmp_path) == "word"


def test_a_folder_without_a_token_gives_none(tmp_path: Path) -> None:
    assert read_token(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"two words", b"two\nlines", b"caf\xc3\xa9", b"\xff", b"a\x1bb", b"x" * (limits.TOKEN_CHARS_MAX + 1)],
)
def test_what_is_no_token_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)

    with pytest.raises(NotReachable) as caught:
        read_token(tmp_path)

    assert str(tmp_path / "token") in str(caught.value)
    assert "words" not in str(caught.value)


def test_the_longest_token_is_one() -> None:
    assert checked_token("x" * limits.TOKEN_CHARS_MAX, source="here") == "x" * limits.TOKEN_CHARS_MAX


def test_a_token_that_may_not_be_read_is_said_to_be_unreadable(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("word", encoding="utf-8")
    (tmp_path / "token").chmod(0o000)

    done = odd(tmp_path, "submit", "echo", "--gateway", "http://127.0.0.1:9", before=BY_PERMISSIONS)

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[:2] == [
        f"  ✕ the token cannot be read: {tmp_path}/token",
        "    Permission denied",
    ]
