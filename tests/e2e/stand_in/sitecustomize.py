"""On PYTHONPATH, gives every Python of a test a file in the place of PostgreSQL; see `ports.py`."""

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

REPLACED = "observatory.runtime.ports.postgres"


class StandIn:
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != REPLACED:
            return None
        return importlib.util.spec_from_file_location(name, Path(__file__).with_name("ports.py"))


sys.meta_path.insert(0, StandIn())  # pyright: ignore[reportArgumentType] — what the machinery asks of a finder
