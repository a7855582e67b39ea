"""`python -m tests.simulation`: a campaign over many seeds, one seed again, or the ablations."""

import argparse
import multiprocessing
import sys
import traceback
from collections.abc import Iterable

from tests.simulation.ablations import ABLATIONS, Ablation, hunt
from tests.simulation.campaign import run_campaign
from tests.simulation.quiet import no_logs
from tests.simulation.world import run_seed


def main(arguments: list[str] | None = None) -> int:
    options = _parsed(arguments)
    with no_logs():
        if options.ablations is not None:
            return _run_ablations(options.ablations, options.seeds or 200)
        if options.seed is not None:
            return _run_again(options.seed)
        return run_campaign(range(options.begin, options.begin + (options.seeds or 100)), options.jobs)


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, help="how many seeds (100; 200 for each ablation)")
    parser.add_argument("--begin", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="one seed, twice, with the end of its trace")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count(), help="processes of a campaign")
    parser.add_argument("--ablations", nargs="*", metavar="NAME", help="take safeguards away; all when none is named")
    return parser.parse_args(arguments)


def _run_again(seed: int) -> int:
    first, second = run_seed(seed), run_seed(seed)
    print("\n".join(first.newest))
    print(f"\nseed {seed}  digest {first.digest}  {first.jobs} jobs  {first.events} events  {first.virtual_s:.1f} s")
    if first.digest != second.digest:
        print(f"NOT DETERMINISTIC: the second run has the digest {second.digest}")
        return 1
    if first.failure is not None:
        traceback.print_exception(first.failure)
        return 1
    return 0


# --- ablations -------------------------------------------------------------------------------------


def _run_ablations(names: Iterable[str], seeds_max: int) -> int:
    wanted = set(names)
    chosen = [ablation for ablation in ABLATIONS if not wanted or ablation.name in wanted]
    return max([_run_ablation(ablation, seeds_max) for ablation in chosen], default=1)


def _run_ablation(ablation: Ablation, seeds_max: int) -> int:
    catch = hunt(ablation, seeds_max=seeds_max)
    expected = " or ".join(sorted(ablation.invariants))
    if catch is None:
        print(f"{ablation.name:20} NOT NOTICED in {seeds_max} seeds; expected {expected}")
        return 1
    print(f"{ablation.name:20} {catch.invariant} after {catch.seeds} seeds: {catch.outcome.failure}")
    return 0 if catch.invariant in ablation.invariants else 1


if __name__ == "__main__":
    sys.exit(main())
