"""Puts the contracts into a built wheel, as `observatory/contracts/files`.

An editable install reads the repository's `contracts/` in place, so there is only one copy to change.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface[Any]):
    """Called by hatchling before it writes a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        contracts = Path(self.root) / "contracts"
        if not contracts.is_dir():
            raise FileNotFoundError(f"{contracts} is missing: a wheel without its contracts cannot check a single job")
        build_data["force_include"][str(contracts)] = "observatory/contracts/files"
