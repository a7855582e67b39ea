"""What the command tells the program that called it. Part of the contract with scripts."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Ends of a command. `docs/cli.md` lists them with the sentences below."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_REACHABLE = 3
    REJECTED = 4
    JOB_FAILED = 5
    TIMED_OUT = 6
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


MEANING: dict[ExitCode, str] = {
    ExitCode.DONE: "Done. Also when the reader of a pipe went away, and when `up` was stopped by Ctrl-C or SIGTERM.",
    ExitCode.FAILED: "It did not work: an unknown job, a missing permission, a start that failed, faults found by "
    "`audit`, `contracts validate` or `doctor`.",
    ExitCode.USAGE: "The command or a setting is written wrongly. Nothing was done.",
    ExitCode.NOT_REACHABLE: "A service did not answer, or answered that it cannot. For a write it may not be known "
    "whether it took effect; the message says so.",
    ExitCode.REJECTED: "The service refused what was sent, with a code and a pointer. Nothing was stored.",
    ExitCode.JOB_FAILED: "`submit --wait` and `watch JOB`: the job was accepted and ended FAILED or CANCELLED.",
    ExitCode.TIMED_OUT: "`submit --wait`: the job was accepted and was not final in time. It goes on.",
    ExitCode.HUNG_UP: "Ended by SIGHUP, as when a terminal is closed; else as 143.",
    ExitCode.INTERRUPTED: "Interrupted by Ctrl-C.",
    ExitCode.TERMINATED: "Ended by SIGTERM. `backup`, `restore`, `demo` and `doctor` clean up first.",
}
