"""Whole numbers as options: the parser would round what has a point, and nobody would see it."""

from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:
    from cyclopts import App, ArgumentCollection


def refuse_fractions(_app: "App", _commands: tuple[str, ...], arguments: "ArgumentCollection") -> None:
    """
    To be called between the reading of a command line and the conversion of its values.

    Raises:
        CoercionError: An option that takes a whole number was given one with a point.
    """
    from cyclopts import CoercionError

    for argument in arguments:
        if int not in (argument.hint, *get_args(argument.hint)):
            continue
        for token in argument.tokens:
            if "." in token.value:
                raise CoercionError(argument=argument, token=token, target_type=int)
