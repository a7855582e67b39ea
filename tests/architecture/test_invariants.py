"""docs/INVARIANTS.md and the code name the same promises, and every test named there exists."""

import ast
import re

import pytest

from observatory.audit.report import INVARIANTS
from tests.architecture.source_tree import ROOT

ROW = re.compile(r"^\| (?P<id>[A-Z]\d+) \| [^|]+ \| [^|]+ \| `(?P<file>[^:`]+)::(?P<test>\w+)` \|$", re.MULTILINE)
JUDGED = re.compile(r'"([A-Z]\d+)"')
PAGE = (ROOT / "docs" / "INVARIANTS.md").read_text(encoding="utf-8")
ROWS = [(match["id"], match["file"], match["test"]) for match in ROW.finditer(PAGE)]


def test_every_row_of_the_page_is_understood_and_stands_once() -> None:
    lines = [line for line in PAGE.splitlines() if re.match(r"\| [A-Z]\d", line)]

    assert len(lines) == len(ROWS) > 20
    assert len({name for name, _, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("invariant", "file", "test"), ROWS, ids=[row[0] for row in ROWS])
def test_the_test_of_an_invariant_exists(invariant: str, file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))

    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}

    assert test in names, f"{invariant} is held by nothing"


def test_every_invariant_that_the_audit_names_is_on_the_page() -> None:
    named = {name for names in INVARIANTS.values() for name in names.split()}

    assert named <= {name for name, _, _ in ROWS}


def test_every_invariant_that_the_simulation_judges_is_on_the_page() -> None:
    judged = {
        name for path in (ROOT / "tests" / "simulation").glob("*.py") for name in JUDGED.findall(path.read_text())
    }

    assert judged > {"A1", "L3", "S4", "V1"}
    assert judged - {"V0"} <= {name for name, _, _ in ROWS}, "V0 is a fault of the simulation itself"
