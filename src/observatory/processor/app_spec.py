"""From `module:attribute`, as a person writes it in a setting, to the handlers of that application."""

import importlib
from collections.abc import Mapping
from typing import Any, cast

from observatory.core.errors import BadSettings
from observatory.core.handler import Handler

BUILTIN_APP = "observatory.builtin_jobs:app"
"""The application that ships with the package."""


def load_handlers(spec: str) -> Mapping[str, Handler]:
    """
    Import the application and give its handlers by type.

    Raises:
        BadSettings: There is no such module or attribute, or it is no application.
        BaseException: Whatever the module raises while it is imported.
    """
    handlers: Any = getattr(load_attribute(spec), "handlers", None)
    if not isinstance(handlers, Mapping):
        raise BadSettings(f"{spec} is not an application", "name a module and its Observatory(), as in mymodule:app")
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
        raise BadSettings(f"there is no module {module_name}", "start where it can be imported from") from None
    for name in path.split("."):
        try:
            value = getattr(value, name)
        except AttributeError:
            raise BadSettings(f"{module_name} has no {path}", "name the Observatory() in that module") from None
    return value
