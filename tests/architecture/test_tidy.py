"""Is the code as small, plain and deterministic as we say it is?"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source_tree import (
    PACKAGE,
    ROOT,
    imported_modules,
    parsed,
    project_files,
    shown,
    source_files,
)

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 600
VAGUE_NAMES = {"common", "data", "helper", "helpers", "info", "manager", "misc", "util", "utils"}

SOURCES_OF_CHANCE_AND_TIME = {
    PACKAGE / "runtime" / "sources.py",  # the system's own
    PACKAGE / "testing" / "manual_sources.py",  # drawn from a seed
}
BANNED_MODULES = {"random", "secrets"}
BANNED_NAMES = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "os.urandom",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.sleep",
    "time.time",
    "time.time_ns",
    "uuid.uuid1",
    "uuid.uuid4",
    "uuid.uuid7",
}

UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
SOMEBODYS_FOLDER = re.compile(r"(?<![\w.])(/root/|/home/\w|/Users/\w|/work(space)?s?/|[A-Z]:\\Users\\)")
MARKDOWN_LINK = re.compile(r"\]\(([^)\s#]+)(#[^)]*)?\)")
LOCK_LINE = re.compile(
    r"""^(
        \#.*                                            # which requirement asked for it
        | [A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+( \ ;\ .+)?\ ?\\? # one exact version, perhaps with a marker
        | \s+--hash=sha256:[0-9a-f]{64}(\ \\)?           # the files it may have
        | \s+\#.*
    )$""",
    re.VERBOSE,
)


def long_functions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body[0]
            lines = (node.end_lineno or 0) - first.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.name} has {lines} lines"


def banned_uses(tree: ast.Module) -> Iterator[str]:
    """Uses of the system's time, identity and chance, whatever name they were imported under."""
    meaning: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            meaning |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            meaning |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for line, name in imported_modules(tree):
        if name.split(".")[0] in BANNED_MODULES or name in BANNED_NAMES:
            yield f"line {line} imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            if (name := f"{meaning.get(first, first)}.{rest}") in BANNED_NAMES:
                yield f"line {node.lineno} uses {name}"


def prints(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"line {node.lineno} prints"


def matching_lines(path: Path, pattern: re.Pattern[str]) -> Iterator[str]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if pattern.search(line):
            yield f"{shown(path)}:{number}: {line.strip()}"


def broken_links(path: Path, root: Path) -> Iterator[str]:
    for match in MARKDOWN_LINK.finditer(path.read_text(encoding="utf-8")):
        target = match[1]
        if re.match(r"[a-z]+:", target):
            continue
        destination = (path.parent / target).resolve()
        if not destination.is_relative_to(root) or not destination.exists():
            yield f"{shown(path)} links to {target}"


def test_functions_fit_on_a_page() -> None:
    found = [f"{shown(path)}: {fault}" for path in source_files() for fault in long_functions(parsed(path))]

    assert found == []


def test_modules_stay_small() -> None:
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in source_files()}

    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES_MAX} == {}


def test_names_of_modules_say_what_is_inside() -> None:
    found = [shown(path) for path in source_files() if {path.stem, path.parent.name} & VAGUE_NAMES]

    assert found == []


def test_time_identity_and_chance_are_injected() -> None:
    judged = [path for path in source_files() if path not in SOURCES_OF_CHANCE_AND_TIME]

    found = [f"{shown(path)}: {fault}" for path in judged for fault in banned_uses(parsed(path))]

    assert found == []


def test_only_the_command_line_prints() -> None:
    judged = [path for path in source_files() if path.relative_to(PACKAGE).parts[0] != "cli"]

    found = [f"{shown(path)}: {fault}" for path in judged for fault in prints(parsed(path))]

    assert found == []


def test_nothing_is_marked_unfinished() -> None:
    found = [line for path in project_files() if path.suffix != ".lock" for line in matching_lines(path, UNFINISHED)]

    assert found == []


def test_nothing_mentions_a_folder_of_somebodys_machine() -> None:
    judged = [path for path in project_files() if path != Path(__file__)]

    found = [line for path in judged for line in matching_lines(path, SOMEBODYS_FOLDER)]

    assert found == []


def test_links_between_our_pages_lead_somewhere_inside_the_repository() -> None:
    pages = [path for path in project_files() if path.suffix == ".md"]

    found = [link for path in pages for link in broken_links(path, ROOT)]

    assert pages
    assert found == []


@pytest.mark.parametrize("name", ["runtime.lock", "dev.lock"])
def test_a_lock_holds_versions_and_hashes_and_no_address(name: str) -> None:
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if "://" in line or not LOCK_LINE.match(line)] == []


def test_the_tools_lock_contains_the_runtime_lock() -> None:
    runtime, dev = (
        {
            line.rstrip(" \\")
            for line in (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
            if "==" in line
        }
        for name in ("runtime.lock", "dev.lock")
    )

    assert runtime
    assert runtime - dev == set()


class TestTheJudgesThemselves:
    """Each rule above finds a planted fault; without this it might be blind and nobody would notice."""

    def test_a_long_function_is_found_and_its_docstring_is_not_counted(self) -> None:
        body = "    x = 1\n" * FUNCTION_LINES_MAX
        docstring = '    """A\n' + "    line\n" * 30 + '    """\n'

        assert list(long_functions(ast.parse("def f():\n" + docstring + body))) == []
        assert list(long_functions(ast.parse("def f():\n" + body + "    x = 2\n"))) == ["f has 71 lines"]

    @pytest.mark.parametrize(
        "code",
        [
            "from datetime import datetime, UTC\nx = datetime.now(UTC)",
            "import datetime as d\nx = d.datetime.utcnow()",
            "import time\nx = time.monotonic",
            "from time import time as now",
            "import random",
            "from secrets import token_hex",
            "def f():\n    import uuid\n    return uuid.uuid4()",
        ],
    )
    def test_hidden_time_identity_and_chance_are_found(self, code: str) -> None:
        assert list(banned_uses(ast.parse(code))) != []

    def test_the_injected_sources_are_allowed(self) -> None:
        code = "import time\ndef f(clock, ids):\n    return clock.now(), ids.new_id(), time.strftime"

        assert list(banned_uses(ast.parse(code))) == []

    def test_a_print_is_found(self) -> None:
        assert list(prints(ast.parse("print('x')"))) == ["line 1 prints"]
        assert list(prints(ast.parse("console.print('x')"))) == []

    def test_marks_folders_and_links_are_found(self, tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        page.write_text(
            "# TO" + "DO\nsee /home/ann/x and [a](missing.md) and [b](../outside.md) and [c](https://example.org/x)\n"
        )

        assert len(list(matching_lines(page, UNFINISHED))) == 1
        assert len(list(matching_lines(page, SOMEBODYS_FOLDER))) == 1
        assert len(list(broken_links(page, tmp_path))) == 2

    @pytest.mark.parametrize(
        "line", ["--index-url https://example.org/simple", "requests>=2", "--find-links=/srv/wheels"]
    )
    def test_an_address_or_a_loose_version_in_a_lock_is_found(self, line: str) -> None:
        assert LOCK_LINE.match(line) is None
