"""Data that somebody deleted, replaced or damaged: every command says what it found, and none hides it."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import httpx2
import pytest

from tests.e2e.process import Up, odd


def readiness(up: Up, service: str) -> tuple[int, dict[str, str | None]]:
    answer = httpx2.get(up.url(service) + "/readyz", timeout=10)
    return answer.status_code, {check["name"]: check.get("reason") for check in answer.json()["checks"]}


@pytest.mark.parametrize("is_replaced", [False, True], ids=["deleted", "replaced"])
def test_nothing_is_accepted_into_a_file_that_lost_its_name(tmp_path: Path, is_replaced: bool) -> None:
    up = Up(tmp_path / "data").until_ready()
    database = up.data_dir / "observatory.db"
    assert readiness(up, "gateway")[0] == 200
    kept = tmp_path / "kept.db"

    database.rename(kept)
    if is_replaced:
        shutil.copyfile(kept, database)

    try:
        refused = up.post("/jobs", {"type": "echo", "payload": {}})
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        for service in ("gateway", "read model"):
            status, reasons = readiness(up, service)
            assert (status, reasons["job_store"]) == (503, "file_gone")

        kept.rename(database)
        assert up.post("/jobs", {"type": "echo", "payload": {}}).status_code == 201
        assert up.stop() == 0
    finally:
        up.process.kill()
    assert odd(up.data_dir, "audit").returncode == 0


def test_a_start_on_a_folder_whose_jobs_are_gone_says_so_in_one_line(tmp_path: Path) -> None:
    up = Up(tmp_path / "data").until_ready()
    assert [step for step in up.steps if step["kind"] == "warn"] == []
    assert up.stop() == 0
    (up.data_dir / "observatory.db").unlink()

    again = Up(up.data_dir).until_ready()

    warned = [step["text"] for step in again.steps if step["kind"] == "warn"]
    again.kill()
    assert warned == ["the data folder was used before but has no jobs: beginning anew"]


FREE_PORTS = ("--gateway-port", "0", "--read-model-port", "0", "--web-port", "0")
PAGE = 4096


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a history, closed."""
    up = Up(tmp_path_factory.mktemp("used") / "data").until_ready()
    for n in range(20):
        up.post("/jobs", {"type": "echo", "payload": {"n": n}})
    up.stop()
    return up.data_dir


@pytest.fixture
def copy(used: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(used, tmp_path / "copy"))


def damage_first_page_of(database: Path, name: str) -> None:
    connection = sqlite3.connect(database)
    root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
    connection.close()
    with database.open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(b"\x5a" * PAGE)


@pytest.mark.parametrize("command", [("up", *FREE_PORTS), ("audit",)], ids=["up", "audit"])
@pytest.mark.parametrize("table", ["jobs", "events"])
@pytest.mark.parametrize("fault", ["damaged page", "dropped table"])
def test_data_that_cannot_be_read_is_one_line_with_its_path_and_its_cure(
    copy: Path, table: str, fault: str, command: tuple[str, ...]
) -> None:
    database = copy / "observatory.db"
    if fault == "damaged page":
        damage_first_page_of(database, table)
    else:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute(f"DROP TABLE {table}")

    done = odd(copy, *command)

    assert done.returncode == 1
    said = "database disk image is malformed" if fault == "damaged page" else f"no such table: {table}"
    what, cure = [line.strip() for line in done.stderr.splitlines() if line.strip()][-2:]
    assert str(database) in what
    assert said in what
    assert cure.startswith("bring back a copy")
    assert "Traceback" not in done.stderr
