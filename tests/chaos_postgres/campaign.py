"""One campaign: first in peace, then under a nemesis, and then everything is counted."""

import collections
import contextlib
import json
import random
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos_postgres.application import APP, STARTS_VARIABLE
from tests.chaos_postgres.judgement import faults_of
from tests.chaos_postgres.nemesis import Act, Nemesis
from tests.chaos_postgres.starts import attempts_in, differences, starts_in
from tests.chaos_postgres.submitters import Submitter, accepted_in
from tests.chaos_postgres.sums import Sums, halves_of
from tests.chaos_postgres.system import DEADLINE_S, GATEWAYS, System
from tests.servers.fault_plan import Fault, Rule
from tests.servers.fault_proxy import FaultProxy
from tests.servers.http_conversation import HttpConversation
from tests.servers.postgres import PrivatePostgres

CUT_PROBABILITY = 0.1
WAITING_MAX = 100
"""Jobs that wait before the submitters ask for no more: enough for work to wait at every act."""
SHOWN_MAX = 30


@dataclass(frozen=True, kw_only=True)
class Orders:
    """
    What a campaign is to do.

    Args:
        kills: Of each role and of the database.
        stops: Longer than a lease.
        cuts: Replies to submits that are cut off, at least.
        tree: Folder whose files are summed.
        files: So many of them, or all.
    """

    kills: int
    stops: int
    cuts: int
    tree: str
    files: int
    seed: int


class Campaign:
    """*folder* is empty, and holds what was written down when the campaign is over."""

    def __init__(self, orders: Orders, folder: Path, server: PrivatePostgres, system: System) -> None:
        self.orders, self.folder, self.server, self.system = orders, folder, server, system
        self.halves = halves_of(orders.tree, orders.files, folder / "tree")
        self.sums: list[Sums] = []
        self.submitters: list[Submitter] = []
        self.accepted = [folder / "accepted-a", folder / "accepted-b"]
        self.acts: list[Act] = []
        self.wrong: list[str] = []

    def in_peace(self) -> None:
        """The example through both gateways at once."""
        began_s = time.monotonic()
        sums = self._summing("calm", [self.system.urls[name] for name in GATEWAYS])
        self._end(sums)
        self.system.until_quiet()
        audit = self.system.audit()
        self._note("without faults", sums, began_s)
        self._note_audit(audit)

    def under_nemesis(self) -> None:
        """The example and the submitters, through networks that cut off replies, while the nemesis acts."""
        began_s, orders = time.monotonic(), self.orders
        with contextlib.ExitStack() as stack:
            proxies = [
                stack.enter_context(self._proxy(self.system.urls[name], orders.seed + number))
                for number, name in enumerate(GATEWAYS)
            ]
            through = [proxy.url for proxy in proxies]
            sums = self._summing("chaos", through)
            self.submitters = [
                Submitter(
                    name, urls, token=self.system.token, accepted=file, seed=orders.seed + number,
                    wants_more=lambda: self.system.waiting() < WAITING_MAX,
                )
                for number, (name, urls, file) in enumerate(
                    zip("ab", (through, through[::-1]), self.accepted, strict=True)
                )
            ]  # fmt: skip
            for submitter in self.submitters:
                submitter.start()
            self._strike()
            self._until_cut(proxies)
            for submitter in self.submitters:
                submitter.stopped.set()
                submitter.join()
            self._end(sums)
            cut = sum(proxy.faults[Fault.CUT_REPLY] for proxy in proxies)
        self.system.until_quiet()
        self._note("under the nemesis", sums, began_s)
        print(f"cut replies: {cut}; answers to submitters: {[dict(one.outcomes) for one in self.submitters]}")

    def _strike(self) -> None:
        orders = self.orders
        chance = random.Random(orders.seed)
        for act in Nemesis(self.system, self.server, kills=orders.kills, stops=orders.stops, chance=chance).acts():
            self.acts.append(act)
            print(f"{act}: {act.ended_s - act.began_s:.1f} s, {act.waiting} jobs waited", flush=True)

    def _until_cut(self, proxies: Sequence[FaultProxy]) -> None:
        ends_s = time.monotonic() + DEADLINE_S
        while sum(proxy.faults[Fault.CUT_REPLY] for proxy in proxies) < self.orders.cuts:
            if time.monotonic() > ends_s:
                raise SystemExit("too few replies could be cut off")
            time.sleep(0.2)

    def judge(self) -> int:
        """The exit code: 0 if nothing is lost, doubled or unexplained."""
        accepted = accepted_in(*(file for file in self.accepted if file.exists()))
        events, pids = list(self.system.events()), self.system.pid_by_worker()
        self._keep("events", events)
        self._keep("workers", [{"worker": worker, "pid": pid} for worker, pid in pids.items()])
        self._keep("acts", [act._asdict() for act in self.acts])
        self.wrong += faults_of(events, accepted, sum(one.lines for one in self.sums))
        starts, attempts = starts_in(self.folder / "starts"), list(attempts_in(events))
        found = differences(starts, attempts, pids, self.acts)
        self.wrong += [f"unexplained: {one.text}" for one in found if not one.explanation]
        jobs = {event["payload"]["id"] for event in events}
        code = self.system.stop()
        self._note_audit(self.system.audit())
        did = sorted(collections.Counter(f"{act.kind}s of {act.target}" for act in self.acts).items())
        print(f"seed {self.orders.seed}: {', '.join(f'{count} {what}' for what, count in did) or 'no acts'}")
        print(f"jobs: {len(jobs)} in {len(events)} events; {len(accepted)} accepted by submitters outside")
        print(f"starts in the log: {len(starts)}; attempts recorded: {len(attempts)}; differences: {len(found)}")
        for one in found:
            print(f"  {one.text}: {one.explanation or 'UNEXPLAINED'}")
        print(f"up: exit code {code}; wrong: {len(self.wrong)}")
        for line in self.wrong[:SHOWN_MAX]:
            print(f"  {line}")
        if self.wrong or code:
            print(self.system.log.read_text(errors="replace")[-3000:])
        return int(bool(self.wrong) or code != 0)

    def _keep(self, name: str, rows: Iterable[object]) -> None:
        """For who wants to know more than what is printed."""
        (self.folder / name).with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def _summing(self, name: str, gateways: Sequence[str]) -> list[Sums]:
        out = self.folder / "sums"
        out.mkdir(exist_ok=True)
        sums = [
            Sums(f"{name}-{number}", self.system, gateway, half, out)
            for number, (gateway, half) in enumerate(zip(gateways, self.halves, strict=True))
        ]
        for one in sums:
            one.start()
        self.sums += sums
        return sums

    def _end(self, sums: Sequence[Sums]) -> None:
        for one in sums:
            one.stopped.set()
        for one in sums:
            one.join()
            self.wrong += one.wrong

    def _proxy(self, url: str, seed: int) -> FaultProxy:
        rule = Rule(fault=Fault.CUT_REPLY, match="^POST", count=None, probability=CUT_PROBABILITY)
        return FaultProxy(int(url.rpartition(":")[2]), HttpConversation, [rule], seed=seed)

    def _note(self, when: str, sums: Sequence[Sums], began_s: float) -> None:
        equal = f"{sum(one.lines for one in sums)} lines in {sum(one.runs for one in sums)} runs"
        verdict = "DIFFER from" if any(one.wrong for one in sums) else "all equal to"
        print(f"{when}: {equal} through {len(sums)} gateways, {verdict} sha256sum; {time.monotonic() - began_s:.0f} s")

    def _note_audit(self, audit: subprocess.CompletedProcess[str]) -> None:
        print(f"audit: exit code {audit.returncode}; {audit.stdout.strip()} {audit.stderr.strip()}", flush=True)
        if audit.returncode:
            self.wrong.append("the audit found something")


def run(orders: Orders, folder: Path) -> int:
    """The exit code of a whole campaign; the nemesis stays away when there is nothing for it to do."""
    with PrivatePostgres(is_durable=True) as server, contextlib.ExitStack() as stack:
        log = str(folder / "starts")
        system = System(folder, server.create_database("observatory"), app=APP, **{STARTS_VARIABLE: log})
        stack.callback(system.stop)
        campaign = Campaign(orders, folder, server, system)
        campaign.in_peace()
        if orders.kills or orders.stops or orders.cuts:
            campaign.under_nemesis()
        return campaign.judge()
