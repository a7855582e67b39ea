"""`make bench`: run the scenarios (or those named as arguments) one after the other."""

import argparse
import platform
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

SCENARIOS = {
    "embedded": "How fast are jobs accepted and finished in one process, against bare SQLite on the same disk?",
    "huey_peer": "How does one process of ours compare with Huey over SQLite, both durable, both keeping results?",
    "postgres_peers": "How do we compare with Procrastinate, and with Celery and its results, over one PostgreSQL?",
    "growth": "Does the system stay as fast when many jobs are stored, and how soon does the read model answer then?",
    "http": "How many submits does one gateway process answer in a second?",
    "stages": "What does each stage of a job cost?",
    "memory": "How much memory does the whole system take in one process, idle and after work?",
    "retention": "What does retention cost those who submit and settle, and how fast does pruning go?",
    "queues": "What does a claim cost beside a queue from which nothing may be taken, and beside many queues?",
    "postgres_size": "How many bytes does a job cost in PostgreSQL, on disk and in the write-ahead log?",
    "child_processes": "What does an attempt in a child process cost, and how soon is its end known?",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; default: all")
    chosen = parser.parse_args().scenarios or list(SCENARIOS)
    unknown = sorted(set(chosen) - set(SCENARIOS))
    if unknown:
        parser.error(f"there is no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    print(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()} {platform.machine()}"
    )
    print(time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))
    codes: list[int] = []
    for name in chosen:
        print(f"\n--- {name}: {SCENARIOS[name]}", flush=True)
        codes.append(subprocess.call([sys.executable, "-m", f"benchmarks.{name}"], cwd=Path(__file__).parents[1]))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
