"""Little memory, a bounded list, progress for people, and codes that are documented."""

import re
from pathlib import Path

import pytest

from observatory.audit.event_ids import EventIds
from observatory.audit.report import INVARIANTS, Code, Findings
from observatory.core import limits
from observatory.runtime.auditing import audit_folder
from observatory.testing.manual_sources import ManualClock
from tests.unit.audit.conftest import DRIVERS, Plant, audit, found
from tests.unit.audit.populated import Populated

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("documents_max", [0, 1, 3])
def test_packed_open_jobs_are_judged_like_the_others(
    copy: Path, monkeypatch: pytest.MonkeyPatch, documents_max: int
) -> None:
    monkeypatch.setattr(limits, "AUDIT_DOCUMENTS_MAX", documents_max)

    assert audit(copy).is_clean


def test_a_fault_of_a_packed_job_is_found(plant: Plant, populated: Populated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "AUDIT_DOCUMENTS_MAX", 1)
    job_id = populated.job_ids["rescued"]

    report = plant(("UPDATE jobs SET attempt = attempt + 1 WHERE id = ?", (job_id,)))

    assert found(report) == {("row_differs", job_id)}


@pytest.mark.parametrize("page", [1, 2, 7])
def test_the_size_of_pages_makes_no_difference(copy: Path, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(limits, "READ_EVENTS_MAX", page)
    monkeypatch.setattr(limits, "PAGE_ITEMS_MAX", page)

    report = audit(copy)

    assert report.is_clean
    assert report.ledger.rows == report.ledger.accepted == report.checked.jobs


def test_violations_beyond_the_limit_are_counted(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "AUDIT_VIOLATIONS_MAX", 3)

    report = plant(("UPDATE jobs SET queue = 'other'", ()))

    assert len(report.violations) == 3
    assert report.violations_left_out == report.checked.jobs - 3


def test_the_line_of_a_sum_names_some_jobs_and_counts_the_rest() -> None:
    findings = Findings()
    for number in range(limits.AUDIT_JOBS_NAMED_MAX + 2):
        findings.add(Code.ROW_DIFFERS, f"job-{number}", "x")

    assert findings.named_jobs().endswith("and 2 more")
    assert "job-0" in findings.named_jobs()


@pytest.mark.parametrize("ids_per_round", [1, 3, 1000])
def test_repeated_ids_are_suspected_in_any_number_of_rounds(
    monkeypatch: pytest.MonkeyPatch, ids_per_round: int
) -> None:
    monkeypatch.setattr(limits, "AUDIT_IDS_PER_ROUND", ids_per_round)
    ids = EventIds()
    for name in ("a", "b", "c", "a", "d", "b"):
        ids.add(name)

    assert ids.suspects() == {hash("a"), hash("b")}


def test_equal_hashes_of_different_ids_are_no_violation(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventIds, "suspects", lambda ids: set(ids._hashes))

    assert audit(copy).is_clean


def test_progress_is_told_at_most_every_so_often_and_ends_within_its_total(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "READ_EVENTS_MAX", 5)
    monkeypatch.setattr(limits, "PAGE_ITEMS_MAX", 2)
    told: list[tuple[str, int, int]] = []

    class Ticking(ManualClock):
        def monotonic(self) -> float:
            self.advance(limits.PROGRESS_LINE_S / 2)
            return super().monotonic()

    report = audit_folder(copy, drivers=DRIVERS, say=lambda *how_far: told.append(how_far), clock=Ticking())

    checked = report.checked
    assert told[0] == (f"checking the file, {(copy / 'observatory.db').stat().st_size / 1e6:,.0f} MB", 0, 0)
    for what, total in (("reading events", checked.position), ("comparing jobs", checked.jobs)):
        so_far = [done for said, done, of in told if said == what and of == total]
        assert len(so_far) > 1
        assert so_far == sorted(so_far)
        assert so_far[-1] <= total
    assert {what for what, _, _ in told[1:]} == {"reading events", "comparing jobs"}


def test_a_quick_audit_says_only_that_it_begins(copy: Path) -> None:
    told: list[tuple[str, int, int]] = []

    audit_folder(copy, drivers=DRIVERS, say=lambda *how_far: told.append(how_far), clock=ManualClock())

    assert [what.partition(",")[0] for what, _, _ in told] == ["checking the file"]


def test_every_code_is_documented_with_its_invariants() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .+ \| ([A-Z0-9 ]+) \|$", page, re.MULTILINE)

    assert dict(rows) == {str(code): INVARIANTS[code] for code in Code}
