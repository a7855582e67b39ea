"""Does the gateway refuse every hostile body precisely, and every list every hostile question?"""

import json
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from observatory.contracts import validate
from observatory.core import limits
from observatory.testing.manual_sources import BEGINNING
from tests.fixtures.bad_input.corpus import Body, bodies
from tests.surfaces.http.services import World, client, open_world, problem
from tests.surfaces.http.write_openapi import FOLDER

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


# --- what is asked of a list ----------------------------------------------------------------------


class Parameter(NamedTuple):
    """One parameter of a question, as the OpenAPI document describes it."""

    service: str
    path: str
    name: str
    schema: dict[str, Any]


def parameters() -> list[Parameter]:
    """Of every route that only reads."""
    return [
        Parameter(service, path, one["name"], one["schema"])
        for service in ("gateway", "read-model")
        for path, methods in json.loads((FOLDER / f"{service}.json").read_text(encoding="utf-8"))["paths"].items()
        for one in methods.get("get", {}).get("parameters", [])
        if one["in"] == "query"
    ]


COUNTS = [one for one in parameters() if one.name in {"limit", "count"}]
TEXTS = [one for one in parameters() if "maxLength" in one.schema]
HOSTILE = ("%00", "%FF", "%ED%A0%80", "%1b[2J", "'%20OR%20'1'='1", "%25", "%F3%A0%81%81", "{}", "%0D%0AX-A:%20b")


async def answers_to(world: World, parameter: Parameter, *values: object) -> list[Any]:
    """To questions that are sound but for one of *values* each, which is written into the address as it is."""
    async with client(world.gateway()) as http:
        job = (await http.post("/jobs", json={"type": "example"})).json()
        await http.put("/schedules/nightly", json={"type": "report", "every": "1h"})
    path = parameter.path.replace("{job_id}", job["id"]).replace("{name}", "nightly")
    beside = "&every=1h" if parameter.name == "count" else ""
    async with client(world.service(parameter.service)) as http:
        return [await http.get(f"{path}?{parameter.name}={value}{beside}") for value in values]


def test_the_lists_are_all_there() -> None:
    assert {one.path for one in COUNTS} == {
        "/jobs", "/jobs/recent", "/jobs/{job_id}/events", "/events", "/schedules", "/schedules/{name}/ticks",
        "/schedule-preview", "/dead-letters",
    }  # fmt: skip


@pytest.mark.parametrize("parameter", COUNTS, ids=lambda one: one.path)
async def test_every_list_gives_from_one_item_to_the_bound(world: World, parameter: Parameter) -> None:
    most = int(parameter.schema["maximum"])

    least_taken, most_taken, *refused = await answers_to(
        world, parameter, 1, most, 0, most + 1, -1, 2**63, 10**30, "ten", "1.5", "%00"
    )

    assert most == (limits.UPCOMING_MAX if parameter.name == "count" else limits.PAGE_ITEMS_MAX)
    assert (least_taken.status_code, most_taken.status_code) == (200, 200)
    assert [(answer.status_code, problem(answer)["code"]) for answer in refused] == [(400, "bad_query")] * len(refused)


@pytest.mark.parametrize("parameter", TEXTS, ids=lambda one: f"{one.path}?{one.name}")
async def test_every_filter_takes_text_up_to_its_bound_and_no_text_is_a_fault_of_ours(
    world: World, parameter: Parameter
) -> None:
    too_long, *answers = await answers_to(world, parameter, "a" * (parameter.schema["maxLength"] + 1), *HOSTILE)

    assert (too_long.status_code, problem(too_long)["code"]) == (400, "bad_query")
    assert {answer.status_code for answer in answers} <= {200, 400}
    assert not any("\x1b" in answer.text or "x-a" in answer.headers for answer in answers)
