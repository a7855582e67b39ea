"""docs/coming-from-celery.md: what it shows is what stands in examples/receipts, and that is run here."""

import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from observatory import JobFailed
from observatory.testing import TestMode
from tests.e2e.process import ROOT, Up

PAGE = (ROOT / "docs" / "coming-from-celery.md").read_text(encoding="utf-8")
SHOWN = re.compile(r"<!-- (?P<path>\S+) -->\n```python\n(?P<code>.*?)```", re.DOTALL)
TEST_SHOWN = re.compile(r"```python\nfrom observatory\.testing import TestMode\n(?P<code>.*?)```", re.DOTALL)


@pytest.mark.parametrize("name", ["with_celery", "with_observatory"])
def test_the_page_shows_the_file(name: str) -> None:
    shown = {match["path"]: match["code"] for match in SHOWN.finditer(PAGE)}

    path = f"examples/receipts/{name}.py"
    assert shown[path] == (ROOT / path).read_text(encoding="utf-8")


def test_the_test_that_the_page_shows_passes(tmp_path: Path) -> None:
    from examples.receipts.with_observatory import app, send_receipt

    (shown,) = TEST_SHOWN.findall(PAGE)
    names: dict[str, Any] = {"app": app, "send_receipt": send_receipt, "TestMode": TestMode}
    exec(compile(shown, "coming-from-celery.md", "exec"), names)

    names["test_a_receipt_is_sent_once_the_mail_server_is_back"](tmp_path)

    assert (tmp_path / "receipt-17.txt").read_text() == "order 17: thank you\n"


def test_our_side_in_test_mode(tmp_path: Path) -> None:
    from examples.receipts.with_observatory import app, check_out

    with TestMode(app) as t:
        answers, reminder = check_out(tmp_path, [1, 2])
        assert answers == [{"order": number, "sent": True, "attempt": 1} for number in (1, 2)]
        again, _ = check_out(tmp_path, [1])
        assert again == [{"order": 1, "sent": False, "attempt": 1}]
        assert next(job["id"] for job in t.jobs(status="SCHEDULED")) == reminder
        t.run_all()
        assert (tmp_path / "receipt-0.txt").read_text() == "order 0: come back soon\n"
        (tmp_path / "away").touch()
        with pytest.raises(JobFailed, match="on attempt 5 of 5: MailServerAway"):
            check_out(tmp_path, [3])


def test_our_side_against_the_running_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from examples.receipts.with_observatory import app, check_out

    up = Up(tmp_path / "data", "--app", "examples.receipts.with_observatory:app").until_ready()
    monkeypatch.setenv("ODD_DATA_DIR", str(up.data_dir))
    try:
        answers, reminder = check_out(tmp_path, [1, 2, 3])
        assert [answer["order"] for answer in answers] == [1, 2, 3]
        assert app.handle(reminder).status() == "SCHEDULED"
    finally:
        app.close()
        up.kill()


class Task:
    """As much of a Celery task as the shown code uses, run inside the call: not a second job system."""

    request = types.SimpleNamespace(retries=0)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def delay(self, *args: Any) -> Any:
        return self.apply_async(args=args)

    def apply_async(self, *, args: Any, kwargs: Any = None, **options: Any) -> Any:
        answer = self._function(self, *args, **(kwargs or {}))
        return types.SimpleNamespace(get=lambda timeout: answer, id="an-id")


def test_the_celery_side_is_code_that_does_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def celery_app(name: str, **addresses: str) -> Any:
        return types.SimpleNamespace(
            conf=types.SimpleNamespace(update=lambda **settings: None), task=lambda **options: Task
        )

    monkeypatch.setitem(sys.modules, "celery", types.SimpleNamespace(Celery=celery_app))  # pyright: ignore[reportArgumentType]
    monkeypatch.delitem(sys.modules, "examples.receipts.with_celery", raising=False)
    from examples.receipts.with_celery import check_out  # pyright: ignore[reportUnknownVariableType]

    answers, _ = check_out(tmp_path, [1, 2])

    assert answers == [{"order": number, "sent": True, "attempt": 1} for number in (1, 2)]
    assert (tmp_path / "receipt-0.txt").read_text() == "order 0: come back soon\n"
    monkeypatch.delitem(sys.modules, "examples.receipts.with_celery")
