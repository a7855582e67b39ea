"""Is every mistake in a file of named queries refused when it is loaded?"""

import pytest

from observatory.engine.named_queries import load_queries


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "driver.sql"
        path.write_text(text, encoding="utf-8")
        return load_queries(path)

    return load


def test_each_statement_is_found_by_its_name(load):
    text = "-- A heading.\n\n-- name: one — first\nSELECT 1;\n\n-- name: two\nSELECT 2, -- why\n  3\nFROM t;\n"

    assert load(text) == {"one": "SELECT 1", "two": "SELECT 2, -- why\n  3\nFROM t"}


def test_an_empty_file_has_no_queries(load):
    assert load("") == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SELECT 1;\n-- name: one\nSELECT 1;", "before the first name"),
        ("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;", "one is defined twice"),
        ("-- name: one\n-- name: two\nSELECT 2;", "nothing under \\['one'\\]"),
        ("-- name: one\n;\n", "nothing under \\['one'\\]"),
        ("-- name: one\nSELECT 1;\n-- name: two-and-more\nSELECT 2;", "not of the form"),
        ("-- name: one - with a hyphen\nSELECT 1;", "not of the form"),
    ],
    ids=["headless", "twice", "empty", "only-a-semicolon", "odd-name", "odd-dash"],
)
def test_a_mistake_is_named(load, text, complaint):
    with pytest.raises(ValueError, match=f"driver.sql: .*{complaint}"):
        load(text)
