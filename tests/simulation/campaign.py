"""Runs many seeds and says what they reached: failures with their replay command, rates, coverage."""

import gc
import multiprocessing
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.simulation.faults import CELLS
from tests.simulation.quiet import be_quiet
from tests.simulation.world import Outcome, run_seed

CELL_HITS_MIN = 1
"""A campaign is green only if each (fault, step) happened so often."""

SEEDS_FOR_COVERAGE = 1_000
"""A campaign of fewer seeds cannot be asked to reach every cell; each kind of fault it can."""

SEEDS_FOR_KINDS = 50


class Campaign:
    """Sums over the outcomes of many seeds."""

    def __init__(self) -> None:
        self.hits: Counter[tuple[str, str]] = Counter()
        self.seeds = self.jobs = self.events = self.commits = self.overlaps = self.picks = 0
        self.virtual_s = self.healed_in_s_max = 0.0
        self.failures: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.hits.update(outcome.hits)
        self.jobs += outcome.jobs
        self.events += outcome.events
        self.commits += outcome.commits
        self.overlaps += outcome.overlaps
        self.picks += outcome.picks
        self.virtual_s += outcome.virtual_s
        self.healed_in_s_max = max(self.healed_in_s_max, outcome.healed_in_s)
        if outcome.failure is not None:
            self.failures.append(outcome)

    @property
    def cells_missed(self) -> list[tuple[str, str]]:
        """Faults that should have happened and did not."""
        if self.seeds >= SEEDS_FOR_COVERAGE:
            return sorted(cell for cell in CELLS if self.hits[cell] < CELL_HITS_MIN)
        if self.seeds >= SEEDS_FOR_KINDS:
            fired = {kind for kind, _ in self.hits}
            return sorted({(kind, "any step") for kind, _ in CELLS if kind not in fired})
        return []


def run_campaign(seeds: range, processes: int) -> int:
    """Simulate *seeds*; 0 if all of them held and the faults were there, else 1."""
    campaign, begin_s = Campaign(), time.monotonic()
    for outcome in _outcomes(seeds, processes):
        campaign.add(outcome)
        if outcome.failure is not None and len(campaign.failures) <= 3:
            print("\n" + replay_text(outcome))
    _show_campaign(campaign, time.monotonic() - begin_s, seeds)
    return 1 if campaign.failures or campaign.cells_missed else 0


def _outcomes(seeds: range, processes: int) -> Iterator[Outcome]:
    if processes <= 1 or len(seeds) < 20:
        yield from map(run_seed, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=_begin_process) as pool:
        yield from pool.imap_unordered(_portable, seeds, chunksize=5)


def _begin_process() -> None:
    be_quiet()
    gc.freeze()


def _portable(seed: int) -> Outcome:
    """An outcome whose failure can be sent to another process, with its traceback as text."""
    outcome = run_seed(seed)
    if outcome.failure is None:
        return outcome
    return msgspec.structs.replace(outcome, failure=FailureElsewhere(_text(outcome.failure)))


class FailureElsewhere(Exception):
    """What ended a run in another process: its text ends with the traceback."""


def _text(failure: BaseException) -> str:
    if isinstance(failure, FailureElsewhere):
        return str(failure)
    return "".join(traceback.format_exception(failure))


def replay_text(outcome: Outcome) -> str:
    """What somebody needs to know about a failed seed: the end of its trace, the error, one command."""
    failure = outcome.failure
    assert failure is not None
    lines = [
        f"--- seed {outcome.seed} failed ".ljust(100, "-"),
        *outcome.newest,
        _text(failure),
        f"commit {_commit()}, Python {sys.version.split()[0]}; replay with:",
        f"    make simulate SEED={outcome.seed}    (.venv/bin/python -m tests.simulation --seed {outcome.seed})",
    ]
    return "\n".join(lines)


def _commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    return asked.stdout.strip() or "unknown"


def _show_campaign(campaign: Campaign, seconds: float, seeds: range) -> None:
    print(f"\nseeds {seeds.start} to {seeds.stop - 1}: {len(campaign.failures)} failed")
    for outcome in sorted(campaign.failures, key=lambda failed: failed.seed)[:20]:
        print(f"    make simulate SEED={outcome.seed}")
    hits = campaign.hits.total()
    print(
        f"{campaign.seeds / seconds:.1f} seeds/s, {campaign.virtual_s / 3600:.1f} simulated hours in {seconds:.0f} s, "
        f"{campaign.jobs} jobs, {campaign.events} events, {campaign.commits} commits judged, {campaign.picks} callbacks"
    )
    print(
        f"{hits} faults; quiet at most {campaign.healed_in_s_max:.0f} s after healing; "
        f"{campaign.overlaps} attempts overlapped an overtaken one"
    )
    _show_cells(campaign.hits)
    for kind, step in campaign.cells_missed:
        print(f"NOT REACHED: {kind} at {step}")


def _show_cells(hits: Counter[tuple[str, str]]) -> None:
    reached = [hits[cell] for cell in CELLS]
    at_least_once = sum(count > 0 for count in reached)
    print(f"coverage: {at_least_once} of {len(CELLS)} (fault, step) cells, the rarest {min(reached)} times")
    by_step: dict[str, list[str]] = {}
    for (kind, step), count in sorted(hits.items()):
        by_step.setdefault(step, []).append(f"{kind} {count}")
    for step, counts in by_step.items():
        print(f"    {step:24} {', '.join(counts)}")
