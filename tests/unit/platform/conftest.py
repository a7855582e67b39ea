import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from observatory.platform.doctor.subject import Build, Port, Subject
from observatory.runtime.data_folder import DataFolder
from observatory.runtime.sources import SystemClock

Make = Callable[..., Subject]

BUILD = Build(
    version="0.1.0",
    commit="0123456789ab",
    built_at="2026-01-30T09:00:00+00:00",
    python="CPython 3.11.7",
    is_checkout=False,
    event_loop="uvloop 0.23.0",
)
FREE = tuple(Port(service=service, flag=f"--{service}-port", number=0) for service in ("gateway", "read-model", "web"))


def no_application(spec: str) -> list[str]:
    raise AssertionError(f"nobody asked for {spec}")


@pytest.fixture
def subject_with(tmp_path: Path) -> Make:
    """A healthy installation with an empty data folder; each fact can be given instead."""

    def make(**facts: Any) -> Subject:
        data_dir = tmp_path / "data"
        if "data_dir" not in facts:
            data_dir.mkdir(mode=0o700, exist_ok=True)
        usual = {
            "build": BUILD,
            "data_dir": data_dir,
            "data_dir_origin": "default",
            "ports": FREE,
            "environ": {},
            "stdout": io.StringIO(),
            "clock": SystemClock(),
            "is_held": lambda path: DataFolder(path).is_held(),
            "schema_of": lambda _: None,
            "types_of": no_application,
        }
        return Subject(**(usual | facts))

    return make
