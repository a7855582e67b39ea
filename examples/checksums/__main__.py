"""`python -m examples.checksums DIR --out FILE`: see README.md."""

import argparse
import contextlib
import os
import shlex
import sys
import threading
import uuid
from collections.abc import Callable, Generator
from pathlib import Path

from examples.checksums.files import check_writable, regular_files, write_checksums
from examples.checksums.run import JOB_TYPE, ChecksumRun, Outcome, Progress
from observatory.client.address import Address, find_address
from observatory.client.api import Api
from observatory.client.data_folder import TOKEN_VARIABLE
from observatory.core.errors import ObservatoryError
from observatory.core.text import sanitize_terminal
from observatory.runtime.sources import SystemClock


def main(argv: list[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    again = f"go on with:  --run {shlex.quote(given.run)}"
    try:
        check_writable(given.out)
        files = [name for folder in given.dirs for name in regular_files(folder)]
        with Api(_address(given), clock=SystemClock()) as api, _progress(len(files)) as show:
            run = ChecksumRun(
                api,
                name=given.run,
                job_type=given.type,
                clock=SystemClock(),
                pause=threading.Event().wait,
                show=show,
                silence_s_max=given.give_up_after,
            )
            outcome = run.of_files(files)
        write_checksums(given.out, outcome.digests, files)
    except KeyboardInterrupt:
        print(f"interrupted; {again}", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"checksums: {sanitize_terminal(f'{error.filename}: {error.strerror}')}", file=sys.stderr)
        return 1
    except ObservatoryError as error:
        print(f"checksums: {sanitize_terminal(str(error))}; {again}", file=sys.stderr)
        return 1
    return _report(outcome, len(files), given.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.checksums", description="One checksum job per file.")
    parser.add_argument("dirs", metavar="DIR", nargs="+", help="folder whose regular files are summed")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="file to write, as sha256sum does")
    parser.add_argument("--gateway", metavar="URL", help="default: the one that runs in the data folder")
    parser.add_argument("--read-model", metavar="URL", help="default: what the gateway or the data folder says")
    parser.add_argument("--data-dir", metavar="PATH", help="default: ODD_DATA_DIR, else the user's data folder")
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="default: ODD_TOKEN, else the data folder's")
    parser.add_argument("--run", metavar="NAME", default=str(uuid.uuid4()), help="go on with an earlier run")
    parser.add_argument("--type", metavar="TYPE", default=JOB_TYPE, help=f"job type that sums; default {JOB_TYPE}")
    parser.add_argument("--give-up-after", metavar="SECONDS", type=float, default=120.0, help="of silence; default 120")
    return parser


def _address(given: argparse.Namespace) -> Address:
    environ = dict(os.environ)
    if given.token_file is not None:
        environ[TOKEN_VARIABLE] = given.token_file.read_text(encoding="utf-8")
    return find_address(gateway=given.gateway, read_model=given.read_model, data_dir=given.data_dir, environ=environ)


@contextlib.contextmanager
def _progress(total: int) -> Generator[Callable[[Progress], None]]:
    """A bar for a person, nothing for a file."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task("submitting", total=total)

        def show(progress: Progress) -> None:
            is_accepted = progress.accepted + progress.failed >= total
            text = "waiting for the service" if progress.waiting_for else "running" if is_accepted else "submitting"
            failed = f", {progress.failed} failed" if progress.failed else ""
            bars.update(bar, completed=progress.done + progress.failed, description=text + failed)

        yield show


def _report(outcome: Outcome, total: int, out: Path) -> int:
    for name, reason in sorted(outcome.failures.items(), key=lambda item: os.fsencode(item[0])):
        print(f"FAILED  {sanitize_terminal(name)}: {sanitize_terminal(reason)}", file=sys.stderr)
    print(f"{len(outcome.digests)} of {total} files summed into {sanitize_terminal(str(out))}", file=sys.stderr)
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
