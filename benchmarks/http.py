"""
How many submits does one gateway process answer in a second?

    python -m benchmarks.http

`odd-dashboard up` runs as a process of its own; callers are bare sockets in this one, which share the two cores with
it. The peer is the same server's `/healthz`, which stores nothing: what a submit costs beyond HTTP shows in the ratio.
"""

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from tests.e2e.process import Up

ROUNDS = 3
CALLERS = 32
REQUESTS = 4_000
BATCH = 1_000
BATCHES = 10


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        up = Up(Path(folder) / "data", "--slots", "1").until_ready()
        try:
            report(asyncio.run(measured(up)))
        finally:
            up.kill()


def report(figures: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in figures.items()}
    for name, value in medians.items():
        print(f"  {name:<46} {value:>10,.0f} /s   ({min(figures[name]):,.0f} to {max(figures[name]):,.0f})")
    empty, single, batched = medians.values()
    print(f"  one job a request / no job a request           {single / empty:>10.2f}")
    print(f"  a thousand jobs a request / one job a request  {batched / single:>10.2f}")


async def measured(up: Up) -> dict[str, list[float]]:
    host, port = up.url("gateway").removeprefix("http://").split(":")
    token = (up.data_dir / "token").read_text(encoding="ascii").strip()

    def head(method: str, path: str, length: int) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{port}", f"Authorization: Bearer {token}"]
        lines += ["Content-Type: application/json", f"Content-Length: {length}"] if length else []
        return "\r\n".join([*lines, "", ""]).encode()

    job = json.dumps({"type": "nobody", "payload": {"text": "x" * 200, "number": 1}}).encode()
    batch = b"[" + b",".join([job] * BATCH) + b"]"
    empty, single = head("GET", "/healthz", 0), head("POST", "/jobs", len(job)) + job
    many = head("POST", "/jobs/batch", len(batch)) + batch
    figures: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, request, callers, requests, jobs in (
            ("no job a request (/healthz), 32 callers", empty, CALLERS, REQUESTS, 1),
            ("one job a request, 32 callers", single, CALLERS, REQUESTS, 1),
            ("a thousand jobs a request, 2 callers", many, 2, BATCHES, BATCH),
        ):
            figures.setdefault(name, []).append(await rate(host, int(port), request, callers, requests) * jobs)
    return figures


async def rate(host: str, port: int, request: bytes, callers: int, requests: int) -> float:
    """Answers per second; every one has to be a good one."""
    connections = [await asyncio.open_connection(host, port) for _ in range(callers)]
    began_s = time.perf_counter()
    await asyncio.gather(*(ask(*connection, request, requests // callers) for connection in connections))
    took_s = time.perf_counter() - began_s
    for _, writer in connections:
        writer.close()
    return requests // callers * callers / took_s


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, count: int) -> None:
    for _ in range(count):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head[9:11] == b"20", head
        fields = head.lower()
        length = int(fields.split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)


if __name__ == "__main__":
    main()
