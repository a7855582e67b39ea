"""
The command `odd-dashboard`: which commands there are, and how each of them ends.

Commands are registered by the place where they stand, so that only the one that is called is loaded.
"""

import contextlib
import io
import os
import sys
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from observatory.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError

    from observatory.cli.failures import Failure

NAME = "odd-dashboard"
SUMMARY = "Run your jobs, and be able to say what happened to every one of them."
VERSION_FLAGS = ("--version", "-V")
HELP_FLAGS = ("--help", "-h")
DEBUG_FLAG = "--debug"

COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("up", "up:up", "Start the whole system and run until stopped."),
    ("serve", "serve:serve", "Play one role in this process, over PostgreSQL, and run until stopped."),
    ("worker", "serve:worker", "Run the handlers of an application, over PostgreSQL, until stopped."),
    ("demo", "demo:demo", "Tell in about a minute what the observatory does, with real jobs."),
    ("submit", "submit:submit", "Submit a job."),
    ("jobs", "reading:jobs", "List jobs, newest first."),
    ("job", "reading:job", "Show one job and its history."),
    ("explain", "explaining:explain", "Say why a job is where it is, and what will change it."),
    ("logs", "logs:logs", "Show what an attempt of a job logged and printed."),
    ("events", "reading:events", "List events in order."),
    ("watch", "watch:watch", "Show events as they happen."),
    ("stats", "reading:stats", "Show what the event history adds up to."),
    ("cancel", "acting:cancel", "Cancel jobs, named or by filter."),
    ("retry", "acting:retry", "Repeat final jobs, named or by filter."),
    ("dead-letters", "dead_letters:dead_letters", "List jobs that failed for good, or give them another life."),
    ("queues", "queues:queues", "List queues and how full they are; pause, resume or limit one."),
    ("workers", "reading:workers", "List processors and what they run."),
    ("types", "reading:types", "List job types that some processor knows."),
    ("schedules", "schedules:schedules", "List schedules; set, pause, resume or delete one, and see its ticks."),
    ("doctor", "doctor:doctor", "Look whether this machine has what the observatory needs."),
    ("audit", "audit:audit", "Compare what was accepted with what exists."),
    ("rebuild", "keeping:rebuild", "Make the counters anew from the history."),
    ("backup", "keeping:backup", "Copy all data into a new folder, also while the system runs."),
    ("restore", "keeping:restore", "Bring a backup back into a data folder."),
    ("migrate", "migrate:migrate", "Bring the data to the schema of this release."),
    ("contracts", "contracts:contracts", "Work with the schemas of everything on the wire."),
    ("config", "config:config", "Look at the settings."),
    ("completion", "completion:completion", "Print the script by which a shell completes commands."),
)
"""Name, module and function under `cli/commands`, summary for the list of commands."""

START_HERE = """\
Start here:

    odd-dashboard up                                start everything
    odd-dashboard submit TYPE key=value --wait      run a job, print its result
    odd-dashboard jobs --status FAILED              see what went wrong

Every command has --json for programs, and --debug for the traceback of a fault."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that *argv*, by default that of the process, asks for; returns the exit code."""
    tokens = list(sys.argv[1:] if argv is None else argv)
    is_debug = DEBUG_FLAG in _before_separator(tokens)
    if is_debug:
        tokens.remove(DEBUG_FLAG)
    _prepare_streams()
    try:
        code = _run(tokens, is_debug=is_debug)
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        from observatory.cli.interruption import exit_code_of

        code = exit_code_of(error)
    except BrokenPipeError:
        _give_up_stdout()
        code = ExitCode.DONE
    except OSError as error:
        code = _cannot_write(error, tokens, is_debug=is_debug)
    return int(code)


def _prepare_streams() -> None:
    """A stream that the caller closed swallows what it is told; text that it cannot show is escaped."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 — open for as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 — as above
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(tokens: list[str], *, is_debug: bool) -> int:
    if tokens[:1] in ([flag] for flag in VERSION_FLAGS):
        return _show_version(is_json="--json" in tokens)
    from cyclopts import CycloptsError

    try:
        result = make_app(tokens[:1])(
            tokens or ["--help"], exit_on_error=False, print_error=False, result_action="return_value"
        )
    except BrokenPipeError:
        raise
    except CycloptsError as error:
        return _usage(error, tokens)
    except Exception as error:  # noqa: BLE001  the last place where a fault can be said in one line
        return _failed(error, tokens, is_debug=is_debug)
    return int(result) if isinstance(result, int) else ExitCode.DONE


def make_app(explained: Container[str] = ()) -> "App":
    """
    The parser with every command.

    Args:
        explained: Commands whose help is their whole docstring. Loading it costs loading their module, so every other
            command has only its summary.
    """
    from cyclopts import App

    from observatory.cli.help_page import HelpPage
    from observatory.cli.whole_numbers import refuse_fractions

    app = App(
        name=NAME,
        help=f"{SUMMARY}\n\n{START_HERE}",
        help_formatter=HelpPage(),
        help_format="plaintext",
        help_flags=HELP_FLAGS,
        version_flags=VERSION_FLAGS,
        version=version_text,
        config=refuse_fractions,
        suppress_keyboard_interrupt=False,
    )
    for name, place, summary in COMMANDS:
        app.command(f"observatory.cli.commands.{place}", name=name, help=None if name in explained else summary)
    return app


def version_text() -> str:
    from observatory.runtime.build_info import build_info

    build = build_info()
    return f"{NAME} {build.version} (commit {build.commit}, built {build.built_at}, {build.python})"


def _show_version(*, is_json: bool) -> int:
    from observatory.cli.output import of_process
    from observatory.runtime.build_info import build_info

    if is_json:
        of_process().json(build_info())
    else:
        of_process().line(version_text())
    return ExitCode.DONE


def _usage(error: "CycloptsError", tokens: list[str]) -> int:
    from observatory.cli.failures import Failure

    command = " ".join(error.command_chain or ())
    error.verbose = False
    failure = Failure(
        exit_code=ExitCode.USAGE,
        code="usage",
        what=str(error),
        remedy=f"see:  {' '.join(part for part in (NAME, command, '--help') if part)}",
    )
    _report(failure, tokens)
    return failure.exit_code


def _failed(error: Exception, tokens: list[str], *, is_debug: bool) -> int:
    from observatory.cli.failures import Failure, failure_of

    if is_debug:
        import traceback

        with contextlib.suppress(OSError):
            traceback.print_exception(error)
    failure = failure_of(error) or Failure(
        exit_code=ExitCode.FAILED,
        code="internal_error",
        what=f"internal error: {type(error).__name__}: {error}",
        why="this is a fault of the program, not of what you typed",
        remedy=f"see where:  {NAME} … {DEBUG_FLAG}",
    )
    _report(failure, tokens)
    return failure.exit_code


def _cannot_write(error: OSError, tokens: list[str], *, is_debug: bool) -> int:
    from observatory.cli.failures import OutputLost

    _give_up_stdout()
    error = error if isinstance(error, OutputLost) else OutputLost(error)
    return _failed(error, tokens, is_debug=is_debug)


def _give_up_stdout() -> None:
    from observatory.cli.output import close_quietly

    close_quietly(sys.stdout)


def _report(failure: "Failure", tokens: list[str]) -> None:
    from observatory.cli.output import of_process

    out = of_process()
    if "--json" in _before_separator(tokens):
        out.fail_json(failure)
    else:
        out.fail(failure)


def _before_separator(tokens: list[str]) -> list[str]:
    return tokens[: tokens.index("--")] if "--" in tokens else tokens
