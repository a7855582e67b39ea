"""The job types of the demo, which come only when they are asked for."""

import json
from pathlib import Path
from typing import Any

from observatory.builtin_jobs.demo import app, next_frame
from observatory.core.job import Outcome
from observatory.processor.ending import Ended
from observatory.processor.stopping import Stop
from tests.unit.processor.jobs import executing, runner_of

APP = "observatory.builtin_jobs.demo:app"


async def run(type: str, payload: dict[str, Any]) -> Ended:
    async with runner_of(app_spec=APP) as runner:
        return await runner.run(app.handlers[type], executing(type, payload), stop=Stop())


def test_all_of_them_are_tagged_by_their_name() -> None:
    assert sorted(app.handlers) == ["demo.checksum", "demo.invoice", "demo.render", "demo.square"]


async def test_an_invoice_fails_until_every_price_is_there(tmp_path: Path) -> None:
    order, prices = tmp_path / "order.json", tmp_path / "prices.json"
    order.write_text(json.dumps({"tea": 2, "saffron": 3}), encoding="utf-8")
    prices.write_text(json.dumps({"tea": 100}), encoding="utf-8")
    payload = {"order": str(order), "prices": str(prices)}

    poisoned = await run("demo.invoice", payload)
    prices.write_text(json.dumps({"tea": 100, "saffron": 7}), encoding="utf-8")
    mended = await run("demo.invoice", payload)

    assert (poisoned.outcome, mended.outcome) == (Outcome.FAILED, Outcome.SUCCEEDED)
    assert poisoned.error is not None
    assert (poisoned.error.type, poisoned.error.message) == ("PriceMissing", "no price for 'saffron' in prices.json")
    assert mended.result == {"lines": 2, "cents": 221}


async def test_a_film_is_the_same_whoever_renders_it() -> None:
    ended = await run("demo.render", {"seed": "a", "frames": 2})

    assert ended.result == {"frames": 2, "digest": next_frame(next_frame("a"))}


async def test_a_film_without_an_end_is_refused() -> None:
    assert (await run("demo.render", {"seed": "a", "frames": 10_000})).is_refused
