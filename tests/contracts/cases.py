"""The fixtures as test cases."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
FIXTURES = CONTRACTS / "fixtures"


@dataclass(frozen=True)
class Case:
    name: str
    version: str | None
    path: Path
    pointer: str = ""
    keyword: str = ""

    @property
    def document(self) -> Any:
        return json.loads(self.path.read_bytes())

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"


def golden_cases() -> list[Case]:
    return [Case(*_schema_of(folder), path) for folder, path in _files("golden")]


def negative_cases() -> list[Case]:
    found = []
    for folder, path in _files("negative"):
        fault = faults_of(folder)[path.name]
        found.append(Case(*_schema_of(folder), path, fault["pointer"], fault["keyword"]))
    return found


def faults_of(folder: Path) -> dict[str, dict[str, str]]:
    return json.loads(folder.with_name(f"{folder.name}.faults.json").read_bytes())


def _files(kind: str) -> list[tuple[Path, Path]]:
    folders = sorted(path for path in (FIXTURES / kind).iterdir() if path.is_dir())
    return [(folder, path) for folder in folders for path in sorted(folder.glob("*.json"))]


def _schema_of(folder: Path) -> tuple[str, str | None]:
    earlier = re.fullmatch(r"(.+)-(\d+\.\d+\.\d+)", folder.name)
    return (earlier[1], earlier[2]) if earlier else (folder.name, None)
