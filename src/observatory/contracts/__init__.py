"""What crosses a process boundary: the schemas of `contracts/`, the check against them, and its structs."""

from observatory.contracts.catalog import names, schema, schema_id, versions
from observatory.contracts.ui_registry import UiRegistry, ui_registry
from observatory.contracts.validate_file import validate_file
from observatory.contracts.validation import envelope_version, is_valid, validate, validate_envelope
from observatory.contracts.violation import Violation, describe, problem_items

__all__ = [
    "UiRegistry",
    "Violation",
    "describe",
    "envelope_version",
    "is_valid",
    "names",
    "problem_items",
    "schema",
    "schema_id",
    "ui_registry",
    "validate",
    "validate_envelope",
    "validate_file",
    "versions",
]
