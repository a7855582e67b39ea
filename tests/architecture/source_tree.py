"""Finds and parses the files that the tests of this folder judge."""

import ast
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "observatory"

NOT_OURS = {".git", ".venv", "__pycache__", "node_modules", "build", "dist", "vendor"}
TEXT_SUFFIXES = {
    ".md",
    ".py",
    ".sh",
    ".sql",
    ".toml",
    ".json",
    ".yml",
    ".yaml",
    ".ts",
    ".svelte",
    ".css",
    ".ps1",
    ".lock",
}
TEXT_NAMES = {"Makefile", "Dockerfile", "run", "VERSION"}


def project_files(root: Path = ROOT) -> Iterator[Path]:
    """Every text file that we wrote, in a stable order."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if name not in NOT_OURS and not name.endswith("_cache"))
        for name in sorted(names):
            if Path(name).suffix in TEXT_SUFFIXES or name in TEXT_NAMES:
                yield Path(folder, name)


def source_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def shown(path: Path) -> str:
    """The path as a person would name it: from the root, with slashes."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def packages() -> list[str]:
    """The packages directly under `observatory`."""
    return sorted(entry.name for entry in PACKAGE.iterdir() if entry.is_dir() and any(entry.glob("*.py")))


def imported_modules(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a module imports, at any depth; names of members included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
