"""The chapters in which something goes wrong: a poison job, a process that is killed, and a redrive."""

from datetime import datetime
from typing import Any

from observatory.cli.demo.play import Play, result_of
from observatory.cli.demo.processes import kill_child
from observatory.cli.job_words import progress_words
from observatory.cli.output import cell
from observatory.client.errors import RequestRefused
from observatory.core.job import FINAL, JsonObject


def poison(play: Play) -> str:
    """Returns the id of the job that nothing can save."""
    play.inputs.write_order()
    paths = {"order": str(play.inputs.order), "prices": str(play.inputs.prices)}
    job_id = play.submit(play.request("demo.invoice", paths, "invoice", maxAttempts=play.size.attempts))
    play.failed["demo.invoice"] += 1
    play.teller.say("An invoice needs a price that is not there. It fails in every attempt.")
    job = _Watch(play, job_id).until_final()
    play.teller.say(f"error    {cell((job.get('error') or {}).get('type'))}: {_message(job)}", "red")
    lines = play.api.attempt_log(job_id)["lines"]
    for line in lines[-2:]:
        play.teller.say(f"log      {cell(line['text'])}", "dim")
    play.check("ended as", expected="FAILED", found=job["status"])
    play.check("attempts, as many as it may have", expected=play.size.attempts, found=job["attempt"])
    play.check("dead letters that wait for somebody", expected=1, found=_dead(play, job_id))
    play.teller.why("What failed for good is kept with its error and its log until somebody decides.")
    return job_id


def killed(play: Play) -> None:
    seed, digest = play.inputs.film(play.size.frames)
    payload = {"seed": seed, "frames": play.size.frames, "frame_s": play.size.frame_s}
    job_id = play.submit(play.request("demo.render", payload, "film", maxAttempts=5))
    play.teller.say("A film is rendered in a process of its own. Somebody kills that process.")
    watch = _Watch(play, job_id)
    pid = watch.until_a_process_has_it()
    kill_child(pid, of=play.stage.pid)
    play.teller.say(f"kill -9 {pid}", "red")
    job = watch.until_final()
    outcomes = [one["payload"]["outcome"] for one in _history(play, job_id) if one["eventType"] == "job.executed"]
    play.check("attempts", expected=["crashed", "succeeded"], found=outcomes)
    play.check("attempt that completed it", expected=2, found=job["attempt"])
    play.check(
        "digest of the film, as we make it too", expected=digest[:16], found=str(result_of(job).get("digest"))[:16]
    )
    play.teller.why("Attempts are at-least-once: the work of the first one was done again, the end is recorded once.")


def redrive(play: Play, dead_id: str) -> None:
    cents = play.inputs.mend_prices()
    play.teller.say("The price is added to the list, and the dead letter is redriven.")
    job_id = play.api.redrive(dead_id)["id"]
    play.accepted["demo.invoice"] += 1
    job = _Watch(play, job_id).until_final()
    play.check("ended as", expected="COMPLETED", found=job["status"])
    play.check("cents of the invoice, as we reckon too", expected=cents, found=result_of(job).get("cents"))
    play.check("dead letters of it that are left", expected=0, found=_dead(play, dead_id))
    play.check("a second redrive is answered with", expected=409, found=_second_redrive(play, dead_id))
    play.teller.why("A redrive is a new job, linked to the dead one, which stays as it was. It is made once.")


def _second_redrive(play: Play, dead_id: str) -> int:
    try:
        play.api.redrive(dead_id)
    except RequestRefused as error:
        return error.status
    play.accepted["demo.invoice"] += 1
    return 201


def _dead(play: Play, job_id: str) -> int:
    return sum(one["id"] == job_id for one in play.api.dead_letters(queue="demo").items)


class _Watch:
    """Tells the history of a job as it happens."""

    def __init__(self, play: Play, job_id: str) -> None:
        self._play = play
        self._job_id = job_id
        self._told = 0
        self.newest: JsonObject = {}
        """Its last event so far."""

    def look(self) -> bool:
        """True when the job is final."""
        history = _history(self._play, self._job_id)
        for event in history[self._told :]:
            _tell(self._play, event, history[0])
        self._told, self.newest = len(history), history[-1]
        return self.newest["payload"]["status"] in FINAL

    def until_final(self) -> JsonObject:
        """The job."""
        self._play.until(self.look, "the end of the job")
        return self._play.api.job(self._job_id)

    def until_a_process_has_it(self) -> int:
        """Its number, as the attempt that runs says in its progress."""

        def look() -> bool:
            is_final = self.look()
            return is_final or frames_of(self.newest) >= self._play.size.frames_before_kill

        self._play.until(look, "an attempt in a process", look_s=0.02)
        return int(self._play.api.job(self._job_id)["progress"]["data"]["pid"])


def frames_of(event: JsonObject) -> int:
    """How many frames are done, by the progress that *event* tells; -1 when it tells none."""
    return int(event["payload"]["progress"]["done"]) if event["eventType"] == "job.progressed" else -1


def _history(play: Play, job_id: str) -> list[JsonObject]:
    page = play.api.job_events(job_id)
    events = page.items
    while page.next_cursor is not None:
        page = play.api.job_events(job_id, cursor=page.next_cursor)
        events += page.items
    return events


def _tell(play: Play, event: JsonObject, first: JsonObject) -> None:
    at = datetime.fromisoformat(event["occurredAt"])
    since_s = (at - datetime.fromisoformat(first["occurredAt"])).total_seconds()
    words, style = _words(event, at)
    if event["eventType"] == "job.progressed":
        progress = {name: value for name, value in event["payload"]["progress"].items() if name != "data"}
        play.teller.move(f"+{since_s:4.1f} s  {progress_words(progress)}")
    elif words:
        play.teller.say(f"+{since_s:4.1f} s  {words}", style)


def _words(event: JsonObject, at: datetime) -> tuple[str, Any]:
    said = event["payload"]
    match event["eventType"]:
        case "job.validated":
            return f"attempt {said['attempt']} begins, fence {said['fence']}", None
        case "job.executed":
            words = f"the attempt {said['outcome']}" if said["outcome"] != "timed_out" else "the attempt timed out"
            return words, None if said["outcome"] == "succeeded" else "yellow"
        case "job.retried":
            waits_s = (datetime.fromisoformat(said["runAt"]) - at).total_seconds()
            return f"RETRYING, due again in {waits_s:.1f} s", "yellow"
        case "job.failed":
            return "FAILED: no attempt is left", "red"
        case "job.completed":
            return "COMPLETED", "green"
        case _:
            return "", None


def _message(job: JsonObject) -> str:
    return cell((job.get("error") or {}).get("message"))
