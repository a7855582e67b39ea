"""Data that somebody deleted, replaced or damaged: every command says what it found, and none hides it."""

import shutil
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
