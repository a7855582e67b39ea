"""Does the gateway refuse every hostile body precisely, and keep nothing of it?"""

from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from observatory.contracts import validate
from observatory.testing.manual_sources import BEGINNING
from tests.fixtures.bad_input.corpus import Body, bodies
from tests.surfaces.http.services import World, client, open_world

JSON = {"Content-Type": "application/json"}


def by_now() -> list[tuple[str, list[Body]]]:
    ordered = sorted(bodies(), key=lambda case: case.now or "")
    return [(now, list(cases)) for now, cases in groupby(ordered, key=lambda case: case.now or "")]


def said(status: int, document: dict[str, Any]) -> tuple[int, str | None, str]:
    """Status, code and pointer of an answer."""
    if status < 400:
        return status, None, ""
    errors = document.get("errors") or [{"pointer": ""}]
    return status, document["code"], errors[0]["pointer"]


@pytest.mark.parametrize(("now", "cases"), by_now(), ids=lambda value: value if isinstance(value, str) else "")
async def test_every_body_is_answered_as_the_corpus_says(now: str, cases: list[Body], tmp_path: Path) -> None:
    wrong: list[str] = []
    moment = datetime.fromisoformat(now) if now else BEGINNING
    async with open_world(tmp_path, moment) as world, client(world.gateway()) as http:
        for case in cases:
            before = await world.stored()

            answer = await http.post("/jobs", content=case.body, headers=JSON)

            found = said(answer.status_code, answer.json())
            expected = (case.status, case.code, case.pointer)
            grown = await world.stored() - before
            faults = validate("job" if answer.status_code == 201 else "problem", answer.json())
            if found != expected or grown != (1 if case.status == 201 else 0) or faults:
                wrong.append(f"{case.name}: {found}, not {expected}; {grown} events; {faults} {answer.text[:200]}")

    assert cases
    assert wrong == []


async def test_a_refusal_never_repeats_a_long_or_dangerous_value(world: World) -> None:
    hostile = '<script>alert("x")</script>\x1b]52;c;ZXZpbA==\x07' + "y" * 5000
    async with client(world.gateway()) as http:
        answer = await http.post("/jobs", json={"type": hostile})

    assert answer.status_code == 400
    assert len(answer.content) < 4096
    assert b"<script>" not in answer.content
    assert "\x1b" not in answer.json()["detail"]
    assert "Traceback" not in answer.text
