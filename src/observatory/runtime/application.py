"""The handlers that run: the built-in types with those of a person's application, and what is said when it has none."""

import importlib
import traceback
from collections.abc import Mapping
from pathlib import Path

from observatory.core.errors import BadSettings, ObservatoryError
from observatory.core.handler import Handler
from observatory.processor.app_spec import BUILTIN_APP, load_handlers


def handlers_of(app: str | None) -> Mapping[str, Handler]:
    """
    The built-in types and those of the application that *app* names.

    Raises:
        BadSettings: The application cannot be found or imported, or redefines a built-in type.
    """
    built_in = load_handlers(BUILTIN_APP)
    own: Mapping[str, Handler] = _own_handlers(app) if app else {}
    twice = sorted(set(built_in) & set(own))
    if twice:
        raise BadSettings(f"{app} defines {', '.join(twice)}, which are built in", "give these types another name")
    return {**built_in, **own}


def _own_handlers(app: str) -> Mapping[str, Handler]:
    try:
        return load_handlers(app)
    except ObservatoryError:
        raise
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise BadSettings(f"{app} cannot be imported: {said}{_place_of(error)}", "mend it and start again") from error


def _place_of(error: BaseException) -> str:
    """Where the application went wrong: the line that Python could not read, or the last one that ran."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", str(_PACKAGE), _LIBRARY))
    ]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


_PACKAGE = Path(__file__).resolve().parents[1]
_LIBRARY = str(Path(importlib.__file__).parents[1])
