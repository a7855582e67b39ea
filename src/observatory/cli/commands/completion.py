"""`completion`."""

from typing import Literal

from observatory.cli.exit_codes import ExitCode
from observatory.cli.output import of_process

SHELLS = ("bash", "zsh", "fish")


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """
    Print the script by which a shell completes commands and options.

    It changes no file of yours: what the script does lasts as long as the shell that reads it.

    For example:

        source <(odd-dashboard completion bash)
        odd-dashboard completion zsh > "${fpath[1]}/_odd-dashboard"
        odd-dashboard completion fish | source

    Parameters
    ----------
    shell
        The shell that reads it.
    """
    from observatory.cli.app import make_app

    of_process().line(make_app().generate_completion(shell=shell).rstrip("\n"))
    return ExitCode.DONE
