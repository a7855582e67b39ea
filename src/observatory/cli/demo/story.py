"""The story from its first chapter to its summary."""

from collections.abc import Callable

from observatory.cli.demo import trouble, work
from observatory.cli.demo.play import Play, counts_of
from observatory.core.errors import ObservatoryError

CHAPTERS = 7
READ_S = 3.0
"""Between two chapters, for a reader."""
TYPES = ("demo.checksum", "demo.square", "demo.invoice", "demo.render")


def tell(play: Play) -> bool:
    """True when all of it came out as told."""
    began_s = play.clock.monotonic()
    try:
        play.begin()
        _tell_chapters(play)
    except ObservatoryError as error:
        play.teller.say(f"the story ends here: {error}", "red")
        play.differences.append(str(error))
    took_s = play.clock.monotonic() - began_s
    return _end(play, took_s)


def _tell_chapters(play: Play) -> None:
    dead_id = ""

    def poison(play: Play) -> None:
        nonlocal dead_id
        dead_id = trouble.poison(play)

    def redrive(play: Play) -> None:
        trouble.redrive(play, dead_id)

    chapters: tuple[tuple[str, Callable[[Play], None]], ...] = (
        ("Real files", work.sum_files),
        ("A burst, and a queue that is paused", work.burst),
        ("A poison job", poison),
        ("A process is killed", trouble.killed),
        ("The bug is fixed, the dead letter redriven", redrive),
        ("Every second", work.schedule),
        ("Do the books balance?", balance),
    )
    assert len(chapters) == CHAPTERS
    for number, (title, chapter) in enumerate(chapters, 1):
        play.teller.chapter(number, CHAPTERS, title)
        chapter(play)
        play.teller.pause(READ_S)


def balance(play: Play) -> None:
    """The counters of the read model against what we counted ourselves, and the audit."""
    stats = play.complete_stats()
    for job_type in TYPES:
        counts = counts_of(stats, job_type)
        counts.subtract(counts_of(play.stats_before, job_type))
        accepted, failed = play.accepted[job_type], play.failed[job_type]
        play.check(
            f"{job_type}, accepted / completed / failed",
            expected=f"{accepted} / {accepted - failed} / {failed}",
            found=f"{counts['accepted']} / {counts['completed']} / {counts['failed']}",
        )
    _audit(play)


def _audit(play: Play) -> None:
    from observatory.runtime.keeping import audit

    report = audit(play.stage.data_dir)
    for fault in report.violations[:5]:
        play.teller.say(f"{fault.code}  {fault.job_id}  {fault.detail}", "red")
    play.check("faults found by the audit", expected=0, found=len(report.violations))
    play.teller.why(f"It compared {report.checked.jobs:,} jobs with {report.checked.events:,} events of their history.")


def _end(play: Play, took_s: float) -> bool:
    total = sum(play.accepted.values())
    count = len(play.differences)
    is_as_told = not count
    play.teller.data(
        summary={
            "asTold": is_as_told,
            "differences": play.differences,
            "accepted": dict(play.accepted),
            "failed": dict(play.failed),
            "tookSeconds": round(took_s, 1),
            "seed": play.seed,
        }
    )
    if is_as_told:
        play.teller.end(f"{total:,} jobs in {took_s:.0f} s, and all of it came out as told.", is_good=True)
    else:
        play.teller.end(f"{count} {'thing' if count == 1 else 'things'} did not come out as told.", is_good=False)
    return is_as_told
