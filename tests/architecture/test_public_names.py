"""Is what `from observatory import ...` promises exactly what it gives?"""

import ast

import pytest

import observatory
from tests.architecture.source_tree import PACKAGE, parsed


def in_listed_order(names: list[str]) -> list[str]:
    """Constants, then classes, then the rest, each alphabetically: the order that the linter keeps."""
    return sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def names_given_by(tree: ast.Module) -> set[str]:
    """
    Names that a package's first module offers to its users.

    An import counts wherever it stands, also under TYPE_CHECKING, because a lazily loaded name is declared there;
    so do top-level functions, classes and assignments. Private names and modules of the standard library do not.
    """
    given: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "observatory":
            given |= {alias.asname or alias.name for alias in node.names}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            given.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            given |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in given if not name.startswith("_")} | (given & {"__version__"})


@pytest.fixture
def public_names() -> list[str]:
    return list(observatory.__all__)


def test_every_public_name_can_be_imported(public_names: list[str]) -> None:
    missing = [name for name in public_names if not hasattr(observatory, name)]

    assert public_names
    assert missing == []


def test_the_list_of_public_names_is_complete(public_names: list[str]) -> None:
    given = names_given_by(parsed(PACKAGE / "__init__.py"))

    assert given - set(public_names) == set()


def test_the_list_of_public_names_is_in_order_and_without_repetition(public_names: list[str]) -> None:
    assert public_names == in_listed_order(list(set(public_names)))


def test_a_name_that_is_given_but_not_listed_is_noticed() -> None:
    tree = ast.parse(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    from observatory.sdk.app import Observatory\n"
        "def run(): ...\n"
        "LIMIT = 1\n"
        "__version__ = '1'\n"
        "_private = 2\n"
    )

    assert names_given_by(tree) == {"Observatory", "run", "LIMIT", "__version__"}
