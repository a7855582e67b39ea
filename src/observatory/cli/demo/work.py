"""The chapters in which everything goes well: files, a burst, a schedule."""

from datetime import datetime

from observatory.cli.demo.cleaning import SCHEDULE
from observatory.cli.demo.play import Play, result_of
from observatory.cli.demo.teller import bar
from observatory.core import limits
from observatory.core.job import JsonObject


def sum_files(play: Play) -> None:
    expected = play.inputs.write_files(play.size.files)
    play.teller.say(f"{play.size.files} files, written from seed {play.seed}. One job per file reads it and sums it.")
    requests = [play.request("demo.checksum", {"path": path}, f"file-{number}") for number, path in enumerate(expected)]
    ids = play.submit_all(requests)
    play.teller.why("Accepted means on the disk: whoever has the answer to a submit can lose the connection.")
    _until_completed(play, "demo.checksum", play.accepted["demo.checksum"])
    results = {job["payload"]["path"]: result_of(job).get("sha256") for job in map(play.api.job, ids)}
    equal = sum(results.get(path) == digest for path, digest in expected.items())
    play.check("checksums equal to those of hashlib", expected=len(expected), found=equal)


def burst(play: Play) -> None:
    numbers, total = play.inputs.numbers(play.size.burst), play.size.burst
    play.api.pause_queue("demo-burst", by="demo", reason="the burst is announced")
    play.teller.say("The queue demo-burst is paused, and everybody submits at once.")
    requests = [
        play.request("demo.square", {"n": n}, f"square-{number}", queue="demo-burst")
        for number, n in enumerate(numbers)
    ]
    _accept(play, requests)
    waiting = play.queue("demo-burst")
    play.check("jobs that wait in the paused queue", expected=total, found=waiting["depth"])
    play.check("jobs of it that ran", expected=0, found=play.counted("demo.square")["completed"])
    play.teller.why("A pause holds back claims, not submits; it is stored, so it outlives a crash.")
    play.teller.pause(1.5)
    play.api.resume_queue("demo-burst")
    play.teller.say("The queue is resumed.")
    _until_completed(play, "demo.square", play.accepted["demo.square"], queue="demo-burst")
    _check_squares(play, numbers)


def _accept(play: Play, requests: list[JsonObject]) -> None:
    began_s, accepted = play.clock.monotonic(), 0
    for first in range(0, len(requests), limits.BATCH_JOBS_MAX // 2):
        accepted += len(play.submit_all(requests[first : first + limits.BATCH_JOBS_MAX // 2]))
        took_s = play.clock.monotonic() - began_s
        rate = accepted / max(took_s, 0.001)
        play.teller.move(f"accepted {bar(accepted, len(requests))} {accepted:,} jobs, {rate:,.0f} per second")


def _check_squares(play: Play, numbers: list[int]) -> None:
    results = [result_of(job).get("square", 0) for job in play.jobs_in("demo-burst", "demo.square")]
    play.check("jobs with a result", expected=len(numbers), found=len(results))
    play.check("sum of the results", expected=sum(n * n for n in numbers), found=sum(results))


def _until_completed(play: Play, type: str, total: int, *, queue: str = "demo") -> None:
    """Show how many jobs of *type* are completed, how fast, and how long the oldest one has waited."""
    began_s = play.clock.monotonic()
    longest_s = 0.0

    def look() -> bool:
        nonlocal longest_s
        done = play.counted(type)["completed"]
        waits_s = _oldest_wait_s(play, queue)
        longest_s = max(longest_s, waits_s)
        rate = done / max(play.clock.monotonic() - began_s, 0.001)
        waits = f", oldest waits {waits_s:.1f} s" if done < total else f", longest wait {longest_s:.1f} s"
        play.teller.move(f"done     {bar(done, total)} {done:,} of {total:,}, {rate:,.0f}/s{waits}")
        return done >= total

    play.until(look, f"the end of {total} jobs of {type}")


def _oldest_wait_s(play: Play, queue: str) -> float:
    since = play.queue(queue).get("oldestPendingAt")
    return 0.0 if since is None else max(0.0, (play.clock.now() - datetime.fromisoformat(since)).total_seconds())


def schedule(play: Play) -> None:
    wanted = play.size.ticks
    definition: JsonObject = {
        "type": "demo.checksum", "every": "1s", "payload": {"path": str(play.inputs.prices)}, "queue": "demo",
        "missed": "all", "metadata": play.metadata,
    }  # fmt: skip
    play.api.put_schedule(SCHEDULE, definition)
    play.teller.say("A schedule sums the price list every second.")

    def look() -> bool:
        counts = play.api.schedule(SCHEDULE)["counts"]
        fired = counts["fired"] + counts["late"]
        play.teller.move(f"ticks    {bar(fired, wanted)} {fired} of {wanted} fired")
        return fired >= wanted

    play.until(look, f"{wanted} ticks")
    play.api.pause_schedule(SCHEDULE, by="demo")
    _check_ticks(play)
    play.api.delete_schedule(SCHEDULE)


def _check_ticks(play: Play) -> None:
    ticks = list(reversed(play.api.ticks(SCHEDULE).items))
    made = [tick["jobId"] for tick in ticks if "jobId" in tick]
    play.accepted["demo.checksum"] += len(made)
    jobs = [play.api.wait(job_id, 30.0) for job_id in made]
    fates = ", ".join(f"{datetime.fromisoformat(tick['tickAt']):%H:%M:%S} {tick['fate']}" for tick in ticks[:5])
    play.teller.say(fates)
    play.check("ticks with a completed job of their own", expected=len(made),
               found=len({job["id"] for job in jobs if job["status"] == "COMPLETED"}))  # fmt: skip
    seconds = [datetime.fromisoformat(tick["tickAt"]) for tick in ticks if "jobId" in tick]
    span = (max(seconds) - min(seconds)).total_seconds() + 1
    play.check("ticks from the first to the last, none doubled, none left out", expected=int(span), found=len(seconds))
    play.teller.why("A tick and its job are one transaction: none fires twice, none is forgotten without a fate.")
