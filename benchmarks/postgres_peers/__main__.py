"""
How do we compare with Procrastinate, and with Celery and its results, over one PostgreSQL?

    python -m benchmarks.postgres_peers        (PAIRS=3 by default; about four minutes)

`PAIRS` rounds in turn, each side on a fresh database of one private, durable server (`synchronous_commit` on, `fsync`
on). Every job is one small integer, which its handler writes to a file with the time and gives back. Ours has its whole
history of four events a job, its counters and its read model running beside; Procrastinate keeps a row for each job and
no result; Celery's broker is a RabbitMQ of its own, and it acknowledges a job before it runs.

*Submit*: no workers run. *Drain*: those jobs wait; from the first start to the last final state. *End to end*: the
workers are warm; from the first submit until the last final state. A final state counts once it is committed, seen by a
query every 10 ms. *Latency*: from the call of submit to the first line of the handler, a job every 20 ms.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.postgres_peers import starts
from benchmarks.postgres_peers.celery_side import CeleryPostgres
from benchmarks.postgres_peers.ours import Ours
from benchmarks.postgres_peers.procrastinate_side import Procrastinate
from benchmarks.postgres_peers.side import Side
from tests.servers import rabbitmq
from tests.servers.postgres import PrivatePostgres
from tests.servers.rabbitmq import PrivateRabbitmq

PAIRS = int(os.environ.get("PAIRS", "3"))
ONE_BY_ONE = 1_000
WAITING = 5_000
WHOLE = 5_000
LATENCIES = 150
PACE_S = 0.02
SERVER = {"shared_buffers": "256MB"}

ONE = "submit, one by one, jobs/s"
IN = "submit in transactions, jobs/s"
FAST = "submit, fastest idiom, jobs/s"
DRAIN = "drain, jobs/s"
END_TO_END = "end to end, jobs/s"
P50 = "latency submit to start, p50 ms"
P99 = "latency submit to start, p99 ms"
FIGURES = (ONE, IN, FAST, DRAIN, END_TO_END, P50, P99)


def main() -> None:
    figures: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        server = stack.enter_context(PrivatePostgres(is_durable=True, settings=SERVER))
        sides: list[Callable[[Path, str], Side]] = [
            lambda folder, name: Ours(folder, server, name),
            lambda folder, name: Procrastinate(folder, server, name),
        ]
        if (how := rabbitmq.missing()) is None:
            broker = stack.enter_context(PrivateRabbitmq())
            sides.append(lambda folder, name: CeleryPostgres(folder, server, name, broker))
        else:
            print(f"  without Celery: {how}")
        for pair in range(PAIRS):
            for number, make in enumerate(sides):
                with tempfile.TemporaryDirectory() as folder, closing(make(Path(folder), f"p{pair}_{number}")) as side:
                    for name, value in _round(side).items():
                        figures.setdefault(side.name, {}).setdefault(name, []).append(value)
    _show(figures)


def _round(side: Side) -> dict[str, float]:
    figures: dict[str, float] = {}
    numbers = iter(range(10**9))
    figures[ONE] = _rate(ONE_BY_ONE, lambda count: side.submit_one(_next(numbers, count)))
    waiting = ONE_BY_ONE + WAITING
    figures[FAST] = _rate(WAITING, lambda count: side.submit_fast(_next(numbers, count)))
    if isinstance(side, Ours):
        figures[IN] = _rate(ONE_BY_ONE, lambda count: side.submit_in(_next(numbers, count)))
        waiting += ONE_BY_ONE
    with side.works():
        side.until_done(waiting)
        figures[DRAIN] = waiting / (time.time() - min(starts.read(side.starts).values()))
        done = waiting + WHOLE

        def submit_and_finish(count: int) -> None:
            side.submit_fast(_next(numbers, count))
            side.until_done(done)

        figures[END_TO_END] = _rate(WHOLE, submit_and_finish)
        asked_s: dict[int, float] = {}
        for number in _next(numbers, LATENCIES):
            asked_s[number] = time.time()
            side.submit_one([number])
            time.sleep(PACE_S)
        side.until_done(done + LATENCIES)
    began_s = starts.read(side.starts)
    waits_ms = sorted((began_s[number] - at_s) * 1e3 for number, at_s in asked_s.items())
    return figures | {P50: statistics.median(waits_ms), P99: waits_ms[int(len(waits_ms) * 0.99)]}


def _next(numbers: Iterator[int], count: int) -> list[int]:
    return [next(numbers) for _ in range(count)]


def _rate(count: int, work: Callable[[int], object]) -> float:
    began_s = time.perf_counter()
    work(count)
    return count / (time.perf_counter() - began_s)


def _show(figures: dict[str, dict[str, list[float]]]) -> None:
    print(f"  {PAIRS} rounds in turn; medians (ranges); in brackets ours divided by theirs")
    for name in FIGURES:
        print(f"  {name}")
        for side, measured in figures.items():
            of_theirs = measured.get(name) or measured.get(ONE if name == IN else name, [])
            ours = statistics.median(figures["ours"][name])
            ratio = "" if side == "ours" else f"   [{ours / statistics.median(of_theirs):.2f}]"
            print(f"    {side:<14} {_shown(of_theirs):>30}{ratio}")


def _shown(values: list[float]) -> str:
    digits = 1 if statistics.median(values) < 100 else 0
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


if __name__ == "__main__":
    main()
