"""
`python -m tests.chaos_postgres`: several processes on one PostgreSQL, each of them killed and paused under load.

`up` keeps two gateways, three processors and one of every other role, over a private server that syncs every commit.
Two submitters outside write every 201 to a file of their own, fsynced before the next submit; each speaks to its
gateway through a network that cuts off replies, repeats a submit without an answer with its key, and now and then at
the other gateway. A seeded nemesis kills roles and the database and stops them for longer than a lease. At the end
every accepted id has exactly one final event, each key has made one job, and the audit is clean. Ends with 1 when it is
not.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import psutil

from observatory.core import limits
from observatory.core.job import FINAL
from tests.e2e.process import PROGRAM, ROOT, environment
from tests.servers.fault_plan import Fault, Rule
from tests.servers.fault_proxy import FaultProxy
from tests.servers.http_conversation import HttpConversation
from tests.servers.postgres import PrivatePostgres

DEADLINE_S = 300.0
ROLES = ("gateway", "processor", "metrics-engine", "read-model", "web", "maintenance")
CUT_PROBABILITY = 0.05


class System:
    """All roles on this host."""

    def __init__(self, folder: Path, url: str) -> None:
        self.data_dir = folder / "data"
        self.log = folder / "log"
        self.environ = environment(self.data_dir) | {"POSTGRES_URL": url}
        ports = ("--gateway-port", "0", "--read-model-port", "0", "--web-port", "0")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*PROGRAM, "up", "--json", "--gateways", "2", "--processors", "3", "--slots", "2", *ports],
                cwd=ROOT, env=self.environ, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self.urls: dict[str, str] = {}
        assert self.process.stdout is not None
        for line in self.process.stdout:
            step = json.loads(line)
            self.urls[step["name"]] = step["text"]
            if step["text"].startswith("ready in "):
                break

    def pids(self, role: str) -> list[int]:
        found = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                words = child.cmdline()
                if "serve" in words and words[words.index("serve") + 1] == role:
                    found.append(child.pid)
        return found

    def get(self, path: str) -> Any:
        """Of the read model; tried again while it is away."""
        ends_s = time.monotonic() + DEADLINE_S
        while True:
            try:
                return httpx2.get(self.urls["read model"] + path, timeout=15).raise_for_status().json()
            except (httpx2.HTTPError, OSError):
                if time.monotonic() > ends_s:
                    raise
                time.sleep(0.2)

    def stop(self) -> int:
        """SIGTERM; gives the exit code. Safe to call twice."""
        assert self.process.stdout is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        finally:
            self.process.stdout.close()

    def audit(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, "audit"], cwd=ROOT, env=self.environ, capture_output=True, text=True, timeout=120, check=False
        )


class Submitter(threading.Thread):
    """Keeps jobs coming until told to stop; whatever it has asked for by then, it asks for until it is answered."""

    def __init__(self, name: str, gateways: list[str], token_file: Path, accepted: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self.prefix, self.gateways, self.token_file, self.accepted = name, gateways, token_file, accepted
        self.stopped = threading.Event()
        self.chance = random.Random(seed)
        self.count = 0
        self.outcomes: collections.Counter[str] = collections.Counter()

    def run(self) -> None:
        with self.accepted.open("a", encoding="ascii") as file:
            number = 0
            while not self.stopped.is_set():
                while (job_id := self._submit(number)) is None:
                    time.sleep(0.05)
                file.write(f"{self.prefix}-{number} {job_id}\n")
                file.flush()
                os.fsync(file.fileno())
                number, self.count = number + 1, self.count + 1

    def _submit(self, number: int) -> str | None:
        seconds = 0.5 if number % 2 == 0 else 0.0  # a little more than the slots can do, so that jobs wait
        body = {"type": "sleep", "payload": {"seconds": seconds}, "maxAttempts": 50}
        gateway = self.gateways[0] if self.chance.random() < 0.8 else self.gateways[1]
        try:
            answer = httpx2.post(
                f"{gateway}/jobs",
                json=body | {"idempotencyKey": f"chaos-{self.prefix}-{number}"},
                headers={"Authorization": f"Bearer {self.token_file.read_text(encoding='ascii').strip()}"},
                timeout=20,
            )
        except (httpx2.HTTPError, OSError) as error:
            self.outcomes[type(error).__name__] += 1
            return None
        self.outcomes[str(answer.status_code)] += 1
        return answer.json()["id"] if answer.status_code in (200, 201) else None


def open_jobs(system: System) -> int:
    return sum(sum(queue["byStatus"].values()) for queue in system.get("/queues")["items"])


def nemesis(system: System, server: PrivatePostgres, kills: int, stops: int, chance: random.Random) -> None:
    """So many kills of each role and of the database, and so many stops longer than a lease, in an order by chance."""
    acts = [("kill", role) for role in (*ROLES, "postgres") for _ in range(kills)]
    acts += [("stop", "postgres" if number % 5 == 4 else "processor") for number in range(stops)]
    chance.shuffle(acts)
    for act, target in acts:
        began_s = time.monotonic()
        if target == "postgres":
            _strike_database(server, act, chance)
        else:
            _strike_role(system, act, target, chance)
        print(f"{act} {target}: {time.monotonic() - began_s:.1f} s, {open_jobs(system)} jobs open", flush=True)
        time.sleep(chance.uniform(0.2, 1.5))


def _strike_database(server: PrivatePostgres, act: str, chance: random.Random) -> None:
    if act == "kill":
        server.kill()
        time.sleep(chance.uniform(0.0, 1.5))
        server.start()
    else:
        server.pause()
        time.sleep(limits.LEASE_S + 2)
        server.resume()


def _strike_role(system: System, act: str, role: str, chance: random.Random) -> None:
    pids = system.pids(role)
    while not pids:
        time.sleep(0.1)
        pids = system.pids(role)
    pid = chance.choice(pids)
    if act == "kill":
        os.kill(pid, signal.SIGKILL)
        return
    os.kill(pid, signal.SIGSTOP)
    time.sleep(limits.LEASE_S + 2)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def until_quiet(system: System) -> None:
    ends_s = time.monotonic() + DEADLINE_S
    while open_jobs(system):
        if time.monotonic() > ends_s:
            raise SystemExit(f"{open_jobs(system)} jobs are still open")
        time.sleep(0.3)


def judged(system: System, accepted: dict[str, str]) -> list[str]:
    """What is wrong with the accepted jobs, in words. *accepted*: ids by key."""
    wrong: list[str] = []
    if (repeated := len(accepted) - len(set(accepted.values()))) > 0:
        wrong.append(f"{repeated} ids answer to two keys")
    for key, job_id in accepted.items():
        events = system.get(f"/jobs/{job_id}/events?limit=500")["items"]
        finals = [event for event in events if event["payload"]["status"] in FINAL]
        if len(finals) != 1:
            wrong.append(f"{key} {job_id} has {len(finals)} final events")
    return wrong


def campaign(kills: int, stops: int, seed: int, folder: Path) -> int:
    chance = random.Random(seed)
    with PrivatePostgres(is_durable=True) as server, contextlib.ExitStack() as stack:
        system = System(folder, server.create_database("observatory"))
        stack.callback(system.stop)
        gateways = [system.urls["gateway"], system.urls["gateway 2"]]
        proxies = [
            stack.enter_context(
                FaultProxy(
                    int(url.rpartition(":")[2]),
                    HttpConversation,
                    [Rule(fault=Fault.CUT_REPLY, match="POST", count=None, probability=CUT_PROBABILITY)],
                    seed=seed + number,
                )
            )
            for number, url in enumerate(gateways)
        ]
        through = [f"http://127.0.0.1:{proxy.port}" for proxy in proxies]
        files = [folder / "accepted-a", folder / "accepted-b"]
        token = system.data_dir / "token"
        submitters = [
            Submitter("a", through, token, files[0], seed),
            Submitter("b", through[::-1], token, files[1], seed + 1),
        ]
        for submitter in submitters:
            submitter.start()
        nemesis(system, server, kills, stops, chance)
        for submitter in submitters:
            submitter.stopped.set()
            submitter.join()
        until_quiet(system)
        lines = [line.split() for path in files for line in path.read_text(encoding="ascii").splitlines()]
        wrong = judged(system, dict(lines))
        total = system.get("/stats")["totalJobs"]
        code = system.stop()
        audit = system.audit()
        print(f"seed {seed}: {kills} kills of each of {len(ROLES) + 1}, {stops} stops longer than a lease")
        print(f"cut replies: {sum(proxy.faults[Fault.CUT_REPLY] for proxy in proxies)}")
        print(f"accepted: {len(lines)}; jobs: {total}; {[dict(one.outcomes) for one in submitters]}")
        print(f"up: exit code {code}; audit: exit code {audit.returncode}; {audit.stdout}{audit.stderr}")
        if total != len(lines):
            wrong.append(f"{total} jobs for {len(lines)} keys")
        for line in wrong[:20]:
            print(line)
        if wrong or audit.returncode:
            print(system.log.read_text(errors="replace")[-3000:])
        return int(bool(wrong) or audit.returncode != 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("KILLS", "2")), help="of each component")
    parser.add_argument("--stops", type=int, default=int(os.environ.get("STOPS", "1")), help="longer than a lease")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return campaign(given.kills, given.stops, given.seed, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
