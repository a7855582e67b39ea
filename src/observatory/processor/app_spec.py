"""From `module:attribute`, as a person writes it in a setting, to the handlers of that application."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from observatory.core.errors import BadSettings
from observatory.core.handler import Handler

BUILTIN_APP = "observatory.builtin_jobs:app"
"""The application that ships with the package."""

_NAMED_MAX = 3
"""Applications of one module that are named beside a mistyped one."""


def load_handlers(spec: str) -> Mapping[str, Handler]:
    """
    Import the application and give its handlers by type.

    Raises:
        BadSettings: There is no such module or attribute, or it is no application.
        BaseException: Whatever the module raises while it is imported.
    """
    handlers: Any = getattr(load_attribute(spec), "handlers", None)
    if not isinstance(handlers, Mapping):
        raise BadSettings(f"{spec} is not an application", _remedy(spec.partition(":")[0]))
    return cast("Mapping[str, Handler]", handlers)


def load_attribute(spec: str) -> Any:
    """The value that `module:attribute` names. Raises as `load_handlers` does."""
    module_name, colon, path = spec.partition(":")
    if not (module_name and colon and path):
        raise BadSettings(f"{spec!r} names no application", "write module:attribute, as in mymodule:app")
    try:
        value: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there and imports something that is not
        remedy = f"start where it can be imported from; this is {Path.cwd()}"
        raise BadSettings(f"there is no module {module_name}", remedy) from None
    for name in path.split("."):
        try:
            value = getattr(value, name)
        except AttributeError:
            raise BadSettings(f"{module_name} has no {path}", _remedy(module_name)) from None
    return value


def _remedy(module_name: str) -> str:
    """Names the applications of a module that was imported, when it has any."""
    names = [
        name
        for name, value in list(vars(sys.modules[module_name]).items())
        if isinstance(getattr(value, "handlers", None), Mapping)
    ]
    found = " or ".join(f"{module_name}:{name}" for name in names[:_NAMED_MAX])
    return f"write {found}" if found else f"write module:attribute; {module_name} has no Observatory()"
