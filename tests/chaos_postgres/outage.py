"""
`python -m tests.chaos_postgres.outage --seconds 60`: the database goes away under load, and how long what takes.

Twice, each time with a system of its own: the server is killed with kill -9 and started again after the seconds, or it
is stopped by SIGSTOP for as long, so that connections stay open and nothing answers. Meanwhile callers keep submitting
at both gateways, every /readyz is asked all the time, and some attempts run whose handlers end during the outage, or
need longer than their lease lasts. Prints the times, and ends with 1 when a promise is broken: a /readyz that says so
late, a submit that is not refused with 503 and Retry-After, a result that was there and is made again, a promised job
that is not completed, an audit that is not clean.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from observatory.core import limits
from tests.chaos_postgres.application import APP, STARTS_VARIABLE
from tests.chaos_postgres.callers import Caller, Submit, submitted
from tests.chaos_postgres.probes import Probe
from tests.chaos_postgres.starts import starts_in
from tests.chaos_postgres.system import DEADLINE_S, GATEWAYS, System
from tests.servers.postgres import PrivatePostgres

KINDS = ("kill", "stop")
SAYS_SO_S_MAX = 2.0
"""Until every service that needs the database says that it is away."""
SHORT_S = (3.0, 5.0, 9.0)
"""Handlers that end during the outage, well within their lease."""
LONG_S = limits.LEASE_S + 5.0
"""A handler that its processor has to stop when it cannot extend the lease: a further attempt completes the job."""
CALM_S = 1.0
"""Before the database goes away."""
CALLERS_EACH = 4
"""At each gateway."""
NEEDS_NO_DATABASE = "dashboard"


class Outage:
    """One outage of *kind*, over a system with empty data in *folder*."""

    def __init__(self, kind: str, seconds: float, server: PrivatePostgres, folder: Path) -> None:
        self.kind, self.seconds, self.server, self.folder = kind, seconds, server, folder
        self.system = System(
            folder, server.create_database("observatory"), app=APP, **{STARTS_VARIABLE: str(folder / "starts")}
        )
        addresses = {name: url for name, url in self.system.urls.items() if url.startswith("http")}
        self.probes = {name: Probe(url) for name, url in addresses.items() if name != NEEDS_NO_DATABASE}
        gateways = [self.system.urls[name] for name in GATEWAYS]
        self.callers = [
            Caller(f"outage-{number}", url, self.system.token) for number, url in enumerate(gateways * CALLERS_EACH)
        ]
        self.gone_s = self.back_s = self.answers_s = 0.0
        """When it was away with all of its processes, was let come back, and answered a query; by the wall clock."""
        self.recorded_s: list[float] = []
        """When the results were recorded that were there at the return; since then."""
        self.wrong: list[str] = []

    def run(self) -> list[str]:
        """What is wrong, in words; the rest is printed."""
        print(f"--- {self.kind}: the database away for {self.seconds:.0f} s", flush=True)
        running = [submitted(self.system, seconds) for seconds in (*SHORT_S, LONG_S)]
        _until(lambda: all(self._job(job_id)["status"] == "EXECUTING" for job_id in running))
        for thread in (*self.probes.values(), *self.callers):
            thread.start()
        time.sleep(CALM_S)
        self._take_away()
        _until(lambda: all(probe.is_ready for probe in self.probes.values()))
        _until(lambda: all(caller.was_accepted(after_s=self.back_s) for caller in self.callers))
        for caller in self.callers:
            caller.end()
        self.system.until_quiet()
        for probe in self.probes.values():
            probe.end()
        self._tell_readiness()
        self._tell_submits()
        self._tell_running(running)
        self._tell_resumption()
        self._tell_audit()
        return self.wrong

    def _take_away(self) -> None:
        if self.kind == "kill":
            self.server.kill()
        else:
            self.server.pause()
        self.gone_s = time.time()
        time.sleep(max(0.0, self.gone_s + self.seconds - time.time()))
        self.back_s = time.time()
        if self.kind == "kill":
            self.server.start()
        else:
            self.server.resume()
            self.server.execute("SELECT 1")
        self.answers_s = time.time()

    def _job(self, job_id: str) -> dict[str, Any]:
        return self.system.get(f"/jobs/{job_id}")

    def _tell_readiness(self) -> None:
        for name, probe in self.probes.items():
            down_s, up_s = (
                probe.first(after_s=self.gone_s, is_ready=False),
                probe.first(after_s=self.back_s, is_ready=True),
            )
            says_so_s = down_s - self.gone_s
            print(f"/readyz of {name}: 503 after {says_so_s:.2f} s, 200 {up_s - self.back_s:.2f} s after the return")
            self._judge(says_so_s < SAYS_SO_S_MAX, f"/readyz of {name} says so after {says_so_s:.2f} s")

    def _tell_submits(self) -> None:
        submits = sorted((one for caller in self.callers for one in caller.submits), key=lambda one: one.asked_s)
        away = [one for one in submits if self.gone_s + SAYS_SO_S_MAX < one.asked_s and one.answered_s < self.back_s]
        overlapping = [one for one in submits if one.answered_s > self.gone_s and one.asked_s < self.back_s]
        print(f"submits while it was away: {_counted(away)}; slowest answer {_slowest(away):.2f} s")
        print(f"submits that met the beginning or the end: {_counted(overlapping, away)}")
        print(f"slowest answer of all: {_slowest(submits):.2f} s")
        self._judge(bool(away), "nobody submitted while it was away")
        for one in away:
            self._judge(one.status == 503 and one.retry_after >= 1, f"a submit while it was away got {one}")
        promised = {one.job_id for one in submits if one.job_id}
        lost = [job_id for job_id in promised if self._job(job_id)["status"] != "COMPLETED"]
        print(f"promised: {len(promised)} jobs, {len(lost)} of them not completed")
        self._judge(not lost, f"{len(lost)} promised jobs are not completed")

    def _tell_running(self, running: list[str]) -> None:
        began = Counter(start.job_id for start in starts_in(self.folder / "starts"))
        for job_id, seconds in zip(running, (*SHORT_S, LONG_S), strict=True):
            job = self._job(job_id)
            settled_s = datetime.fromisoformat(job["finishedAt"]).timestamp() - self.back_s
            print(
                f"running handler of {seconds:.0f} s: {job['status']} by attempt {job['attempt']},"
                f" begun {began[job_id]} times, settled {settled_s:.2f} s after the return"
            )
            if seconds != LONG_S:
                self.recorded_s.append(settled_s)
            is_kept = job["status"] == "COMPLETED" and (seconds == LONG_S or (job["attempt"], began[job_id]) == (1, 1))
            self._judge(is_kept, f"the result of the handler of {seconds:.0f} s was lost: {job}")

    def _tell_resumption(self) -> None:
        """Times since the return; what resumed last is the end of the outage."""
        submits = [one for caller in self.callers for one in caller.submits if one.job_id and one.asked_s > self.back_s]
        began = [datetime.fromisoformat(self._job(one.job_id)["startedAt"]).timestamp() for one in submits[:20]]
        after_s = {
            "the database answers": self.answers_s - self.back_s,
            "a submit is accepted": min(one.answered_s for one in submits) - self.back_s,
            "a new job begins": min(began) - self.back_s,
            "every /readyz is 200": max(self._ready_again_s(probe) for probe in self.probes.values()),
            "every result that was there is recorded": max(self.recorded_s),
        }
        for what, seconds in after_s.items():
            print(f"after the return, {what}: {seconds:.2f} s")
        print(f"everything has resumed: {max(after_s.values()):.2f} s after the return", flush=True)

    def _ready_again_s(self, probe: Probe) -> float:
        return probe.first(after_s=self.back_s, is_ready=True) - self.back_s

    def _tell_audit(self) -> None:
        code, audit = self.system.stop(), self.system.audit()
        print(
            f"up: exit code {code}; audit: exit code {audit.returncode}; {audit.stdout.strip()} {audit.stderr.strip()}"
        )
        self._judge(code == 0 and audit.returncode == 0, "the end is not clean")

    def _judge(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(f"{self.kind}: {otherwise}")


def _counted(submits: list[Submit], besides: list[Submit] | None = None) -> dict[str, int]:
    left_out = {id(one) for one in besides or ()}
    return dict(Counter(one.outcome for one in submits if id(one) not in left_out))


def _slowest(submits: list[Submit]) -> float:
    return max((one.answered_s - one.asked_s for one in submits), default=0.0)


def _until(holds: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + DEADLINE_S
    while not holds():
        if time.monotonic() > ends_s:
            raise SystemExit("it did not come true in time")
        time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos_postgres.outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="default %(default)s")
    parser.add_argument("--kind", choices=KINDS, nargs="+", default=list(KINDS), help="default: both")
    given = parser.parse_args()
    wrong: list[str] = []
    for kind in given.kind:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            outage = Outage(kind, given.seconds, stack.enter_context(PrivatePostgres(is_durable=True)), folder)
            stack.callback(outage.system.stop)
            found = outage.run()
            if found:
                print(outage.system.log.read_text(errors="replace")[-3000:])
            wrong += found
    print(f"wrong: {len(wrong)}", *wrong[:30], sep="\n  ")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
