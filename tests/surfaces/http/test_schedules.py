"""Schedules over HTTP: what is taken, what is refused and how, and what the read model says."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from observatory import contracts
from observatory.core import limits
from observatory.core.schedule import Schedule
from observatory.event_bus.in_process import InProcessBus
from observatory.maintenance.scheduler import Scheduler
from observatory.testing.factories import type_info
from tests.surfaces.http.services import World, client, problem

DAILY = {"type": "report", "cron": "0 3 * * *", "timezone": "Europe/Berlin"}


def checked(contract: str, document: Any) -> Any:
    """*document*, which is held to its contract."""
    assert contracts.validate(contract, document, known_values_only=True) == []
    return document


async def put(world: World, name: str = "nightly", **fields: Any) -> Any:
    async with client(world.gateway()) as http:
        return await http.put(f"/schedules/{name}", json=fields)


async def post(world: World, path: str, **options: Any) -> Any:
    async with client(world.gateway()) as http:
        return await http.post(path, **options)


async def read(world: World, path: str) -> Any:
    async with client(world.read_model()) as http:
        return await http.get(path)


async def run(world: World) -> None:
    scheduler = Scheduler(
        schedules=world.schedules, queries=world.queries, bus=InProcessBus(), clock=world.clock, ids=world.ids
    )
    while await scheduler.run_once():
        pass


class TestPut:
    async def test_a_new_schedule_is_created_and_tells_its_next_ticks(self, world: World) -> None:
        answer = await put(world, **DAILY, payload={"month": "last"})

        assert (answer.status_code, answer.headers["location"]) == (201, "/schedules/nightly")
        shown = checked("schedule", answer.json())
        assert [tick["localTime"] for tick in shown["upcoming"]][:2] == [
            "2026-01-01T03:00:00+01:00",
            "2026-01-02T03:00:00+01:00",
        ]
        assert shown["nextTickAt"] == shown["upcoming"][0]["tickAt"]
        assert len(shown["upcoming"]) == limits.UPCOMING_DEFAULT

    async def test_what_means_nothing_and_a_type_that_nobody_announced_are_taken_with_a_warning(
        self, world: World
    ) -> None:
        unknown = await put(world, **DAILY)
        await world.store.announce([type_info("report")])
        world.clock.advance(limits.TYPES_CACHE_S)
        known = await put(world, **DAILY)
        misspelt = await put(world, type="report", cron="0 3 * * *", timeZone="Europe/Berlin", misssed="skip")

        warning = 'unknown_type: no processor has announced the type "report"; its jobs wait until one does'
        assert (unknown.status_code, unknown.headers["job-warning"]) == (201, warning)
        assert "job-warning" not in known.headers
        assert misspelt.headers["job-warning"] == (
            'unknown_member: "timeZone" is not a member of a schedule request; did you mean "timezone"?; '
            '"misssed" is not a member of a schedule request; did you mean "missed"?'
        )
        assert "timezone" not in misspelt.json()

    @pytest.mark.parametrize(
        ("first", "again"),
        [
            (DAILY, DAILY),
            (DAILY, DAILY | {"cron": " 0\t3 * *  * "}),
            (DAILY, DAILY | {"missed": "last", "payload": {}}),
            (
                {"type": "a", "every": "1h", "anchor": "2026-01-01T00:00:00Z"},
                {"type": "a", "every": "1h", "anchor": "2026-01-01T01:00:00+01:00"},
            ),
        ],
    )
    async def test_an_equal_definition_changes_nothing(self, world: World, first: Any, again: Any) -> None:
        before = (await put(world, **first)).json()
        world.clock.advance(60.0)

        answer = await put(world, **again)

        assert answer.status_code == 200
        assert answer.json() == before

    async def test_a_different_definition_takes_its_place_and_skips_what_had_no_fate(self, world: World) -> None:
        await put(world, type="a", every="1m")
        world.clock.advance(150.0)

        answer = await put(world, type="b", every="1h")

        shown = checked("schedule", answer.json())
        assert (answer.status_code, shown["type"], shown["generation"]) == (200, "b", 2)
        assert shown["nextTickAt"] == "2026-01-01T01:00:00Z"
        assert shown["counts"] == {"fired": 0, "late": 0, "skipped": 2, "missed": 0}
        ticks = checked("tick-list", (await read(world, "/schedules/nightly/ticks")).json())
        assert [(tick["fate"], tick["reason"], tick["count"]) for tick in ticks["items"]] == [
            ("skipped", "replaced", 2)
        ]

    async def test_a_replaced_schedule_with_a_long_gap_is_settled_in_pieces(self, world: World) -> None:
        await put(world, type="a", cron="* * * * *")
        world.clock.advance(10 * 86_400.0)

        shown = (await put(world, type="a", cron="0 * * * *")).json()

        assert shown["counts"]["skipped"] == 14_400
        assert shown["generation"] == 2

    async def test_a_paused_schedule_stays_paused_when_it_is_replaced(self, world: World) -> None:
        await put(world, **DAILY)
        await post(world, "/schedules/nightly/pause", json={"by": "ann"})

        assert (await put(world, type="b", every="1h")).json()["pausedBy"] == "ann"

    @pytest.mark.parametrize(
        ("fields", "code", "pointer"),
        [
            ({"type": "a"}, "bad_timing", "/cron"),
            ({"type": "a", "cron": "* * * * *", "every": "1s"}, "bad_timing", "/cron"),
            ({"type": "a", "cron": "0 0 30 2 *"}, "never_fires", "/cron"),
            ({"type": "a", "cron": "@reboot"}, "bad_cron", "/cron"),
            ({"type": "a", "cron": "<script>"}, "bad_cron", "/cron"),
            ({"type": "a", "cron": "*" * 201}, "invalid_schedule", "/cron"),
            ({"type": "a", "cron": 5}, "invalid_schedule", "/cron"),
            ({"type": "a", "cron": "* * * * *", "timezone": "../../etc/passwd"}, "unknown_timezone", "/timezone"),
            ({"type": "a", "cron": "* * * * *", "timezone": "\x1b[2J"}, "unknown_timezone", "/timezone"),
            ({"type": "a", "every": "0s"}, "invalid_schedule", "/every"),
            ({"type": "a", "every": "367d"}, "bad_interval", "/every"),
            ({"type": "a", "every": "1s", "timezone": "UTC"}, "bad_timing", "/timezone"),
            ({"type": "a", "every": "1s", "missed": "some"}, "invalid_schedule", "/missed"),
            ({"type": "a", "every": "1s", "missedMax": 5}, "invalid_schedule", "/missedMax"),
            ({"type": "a", "every": "1s", "missed": "all", "missedMax": 501}, "invalid_schedule", "/missedMax"),
            ({"type": "a b", "every": "1s"}, "invalid_schedule", "/type"),
            ({"type": "a", "every": "1s", "priority": 10}, "invalid_schedule", "/priority"),
            ({"type": "a", "every": "1h", "anchor": "2026-02-30T00:00:00Z"}, "invalid_schedule", "/anchor"),
        ],
    )
    async def test_what_is_wrong_is_named_and_nothing_is_stored(
        self, world: World, fields: Any, code: str, pointer: str
    ) -> None:
        answer = await put(world, **fields)

        found = problem(answer)
        assert (answer.status_code, found["code"]) == (400, code)
        assert found["errors"][0]["pointer"] == pointer
        assert "\x1b" not in answer.text
        assert await world.schedules.names() == []

    @pytest.mark.parametrize("name", ["-a", ".a", "a b", "ä", "a%00", "a" * 65, "%2e%2e"])
    async def test_a_name_that_no_schedule_can_have_is_refused(self, world: World, name: str) -> None:
        answer = await put(world, name, **DAILY)

        assert (answer.status_code, problem(answer)["code"]) in {(400, "bad_schedule_name"), (404, "not_found")}

    async def test_the_longest_name_is_taken(self, world: World) -> None:
        assert (await put(world, "a" * 64, **DAILY)).status_code == 201

    @pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"type": "a", "type": "b"}', b"\xff", b"[" * 1000])
    async def test_a_body_that_is_no_schedule_is_refused(self, world: World, body: bytes) -> None:
        async with client(world.gateway()) as http:
            answer = await http.put("/schedules/a", content=body, headers={"Content-Type": "application/json"})

        assert (answer.status_code, problem(answer)["status"]) == (400, 400)

    async def test_a_payload_that_its_type_does_not_take_is_refused(self, world: World) -> None:
        schema = {"type": "object", "required": ["path"]}
        await world.store.announce([type_info("report", payload_schema=schema)])

        answer = await put(world, **DAILY)

        assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (400, "/payload/path")

    @pytest.mark.parametrize(("size", "status"), [(0, 201), (1, 413)])
    async def test_the_metadata_of_a_job_has_room_for_what_the_tick_adds(
        self, world: World, size: int, status: int
    ) -> None:
        added = len('{"a":"","schedule":"nightly","tickAt":"2026-01-01T00:00:00.000000Z"}')
        text = "x" * (limits.METADATA_BYTES_MAX - added + size)

        assert (await put(world, **DAILY, metadata={"a": text})).status_code == status

    async def test_there_is_room_for_so_many_schedules(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "SCHEDULES_MAX", 1)
        assert (await put(world, "a", **DAILY)).status_code == 201

        answer = await put(world, "b", **DAILY)

        assert (answer.status_code, problem(answer)["code"]) == (409, "too_many_schedules")
        assert (await put(world, "a", type="b", every="1s")).status_code == 200

    async def test_a_change_that_others_overtake_again_and_again_is_given_up(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await put(world, **DAILY)

        async def moved(schedule: Schedule, **_: Any) -> bool:
            return False

        monkeypatch.setattr(world.schedules, "save", moved)
        for answer in (await put(world, type="b", every="1s"), await post(world, "/schedules/nightly/pause", json={})):
            assert (answer.status_code, problem(answer)["code"]) == (409, "schedule_moved")


class TestPauseAndDelete:
    async def test_a_pause_says_who_and_when_and_a_second_one_changes_nothing(self, world: World) -> None:
        await put(world, **DAILY)

        first = await post(world, "/schedules/nightly/pause", json={"by": "ann"})
        world.clock.advance(5.0)
        second = await post(world, "/schedules/nightly/pause", json={"by": "bob"})

        shown = checked("schedule", second.json())
        assert (first.status_code, second.status_code) == (200, 200)
        assert (shown["pausedAt"], shown["pausedBy"]) == ("2026-01-01T00:00:00Z", "ann")

    async def test_who_pauses_may_stay_unsaid_but_not_hide(self, world: World) -> None:
        await put(world, **DAILY)

        assert (await post(world, "/schedules/nightly/pause", json={"by": "\x1b[2J"})).status_code == 400
        assert (await post(world, "/schedules/nightly/pause", json={})).json()["pausedBy"] == "api"

    async def test_paused_means_paused_and_a_resume_fires_nothing_of_the_past(self, world: World) -> None:
        await put(world, type="a", every="1m", missed="all")
        await post(world, "/schedules/nightly/pause", json={})
        world.clock.advance(150.0)
        await run(world)
        world.clock.advance(60.0)

        answer = await post(world, "/schedules/nightly/resume")
        await run(world)
        world.clock.advance(30.0)
        await run(world)

        assert answer.status_code == 200
        assert "pausedAt" not in checked("schedule", answer.json())
        shown = (await read(world, "/schedules/nightly")).json()
        assert shown["counts"] == {"fired": 1, "late": 0, "skipped": 3, "missed": 0}
        assert (await post(world, "/schedules/nightly/resume")).json()["counts"] == shown["counts"]

    async def test_a_deleted_schedule_is_gone(self, world: World) -> None:
        await put(world, **DAILY)
        async with client(world.gateway()) as http:
            first, second = await http.delete("/schedules/nightly"), await http.delete("/schedules/nightly")

        assert (first.status_code, first.content) == (204, b"")
        assert (second.status_code, problem(second)["code"]) == (404, "unknown_schedule")

    @pytest.mark.parametrize("way", ["/pause", "/resume"])
    async def test_what_does_not_exist_is_unknown(self, world: World, way: str) -> None:
        answer = await post(world, f"/schedules/nothing{way}", json={})

        assert (answer.status_code, problem(answer)["code"]) == (404, "unknown_schedule")


class TestReading:
    async def test_the_list_tells_next_tick_last_tick_and_counts(self, world: World) -> None:
        await put(world, "a", type="a", every="1m")
        await put(world, "b", **DAILY)
        world.clock.advance(61.0)
        await run(world)

        found = checked("schedule-list", (await read(world, "/schedules")).json())

        first, second = found["items"]
        assert (first["lastTick"]["fate"], first["counts"]["fired"]) == ("fired", 1)
        assert first["nextTickAt"] == "2026-01-01T00:02:00Z"
        assert "lastTick" not in second
        assert "upcoming" not in first

    async def test_pages_of_schedules_and_of_ticks_go_on_by_their_cursor(self, world: World) -> None:
        for name in "abc":
            await put(world, name, type="a", every="1m", missed="all")
        world.clock.advance(185.0)
        await run(world)

        for path, count in (("/schedules", 3), ("/schedules/a/ticks", 3)):
            page = (await read(world, f"{path}?limit=2")).json()
            rest = (await read(world, f"{path}?limit=2&cursor={page['nextCursor']}")).json()
            assert (len(page["items"]), len(rest["items"]), rest["nextCursor"]) == (2, count - 2, None)

        stolen = (await read(world, "/schedules?limit=1")).json()["nextCursor"]
        answer = await read(world, f"/schedules/a/ticks?cursor={stolen}")
        assert (answer.status_code, problem(answer)["code"]) == (400, "bad_cursor")

    async def test_both_services_show_the_same_schedule(self, world: World) -> None:
        await put(world, **DAILY)
        async with client(world.gateway()) as http:
            at_gateway = await http.get("/schedules/nightly")

        assert at_gateway.json() == (await read(world, "/schedules/nightly")).json()

    @pytest.mark.parametrize("path", ["/schedules/nothing", "/schedules/nothing/ticks"])
    async def test_an_unknown_schedule_is_no_empty_list(self, world: World, path: str) -> None:
        answer = await read(world, path)

        assert (answer.status_code, problem(answer)["code"]) == (404, "unknown_schedule")

    async def test_a_damaged_schedule_is_named_and_can_be_replaced(self, world: World) -> None:
        await put(world, "a", **DAILY)
        await put(world, "b", **DAILY)
        await world.file.write(
            lambda connection: connection.execute("UPDATE schedules SET definition = '{' WHERE name = 'a'").rowcount
        )

        page = checked("schedule-list", (await read(world, "/schedules")).json())
        answer = await read(world, "/schedules/a")

        assert ([one["name"] for one in page["items"]], page["unreadable"]) == (["b"], ["a"])
        assert (answer.status_code, problem(answer)["code"]) == (500, "schedule_unreadable")
        assert (await put(world, "a", **DAILY)).status_code == 201
        assert "unreadable" not in (await read(world, "/schedules")).json()

    async def test_a_schedule_whose_zone_vanished_says_so(self, world: World) -> None:
        await put(world, **DAILY)
        sql = "UPDATE schedules SET definition = replace(definition, 'Berlin', 'Nowhere')"
        await world.file.write(lambda connection: connection.execute(sql).rowcount)

        shown = checked("schedule", (await read(world, "/schedules/nightly")).json())

        assert "Europe/Nowhere" in shown["problem"]
        assert "nextTickAt" not in shown


class TestPreview:
    async def test_it_shows_local_times_across_a_change_of_offset(self, world: World) -> None:
        after = "2026-03-28T00:00:00Z"
        answer = await read(world, f"/schedule-preview?cron=30 2 * * *&timezone=Europe/Berlin&after={after}&count=3")

        found = checked("schedule-preview", answer.json())
        assert [tick["localTime"] for tick in found["items"]] == [
            "2026-03-28T02:30:00+01:00",
            "2026-03-29T03:00:00+02:00",
            "2026-03-30T02:30:00+02:00",
        ]
        assert found["asOf"] == after

    async def test_it_begins_now_and_has_a_bound(self, world: World) -> None:
        found = (await read(world, f"/schedule-preview?every=1h&count={limits.UPCOMING_MAX}")).json()
        at = datetime.fromisoformat(found["items"][-1]["tickAt"])

        assert at - world.clock.now() == timedelta(hours=limits.UPCOMING_MAX)
        assert (await read(world, f"/schedule-preview?every=1h&count={limits.UPCOMING_MAX + 1}")).status_code == 400

    @pytest.mark.parametrize("after", ["1000-01-01T00:00:00Z", "1883-11-18T16:00:00Z", "2900-12-31T23:59:59Z"])
    @pytest.mark.parametrize("cron", ["* * * * *", "0 0 29 2 */7", "30 2 * * *"])
    @pytest.mark.parametrize("timezone", ["Australia/Lord_Howe", "America/New_York", "Africa/Monrovia"])
    async def test_it_stays_within_the_years_of_the_wire(
        self, world: World, after: str, cron: str, timezone: str
    ) -> None:
        answer = await read(world, f"/schedule-preview?cron={cron}&timezone={timezone}&after={after}&count=100")

        items = checked("schedule-preview", answer.json())["items"]
        instants = [datetime.fromisoformat(tick["tickAt"]) for tick in items]
        assert instants == sorted(set(instants))
        assert instants
        assert instants[-1] - datetime.fromisoformat(after) <= timedelta(days=366 * limits.CRON_YEARS_MAX)

    async def test_instants_and_intervals_beyond_their_bounds_are_told_them(self, world: World) -> None:
        far = "9999-12-31T23:59:59Z"
        after = problem(await read(world, f"/schedule-preview?every=1s&after={far}"))
        anchor = problem(await put(world, type="report", every="1s", anchor=far))
        every = problem(await put(world, type="report", every="0s"))

        assert after["detail"].endswith("in the years 1000 to 2900")
        assert anchor["detail"].endswith(f', in the years 1000 to 2999, not "{far}"')
        assert "from 1s to 366d: " in every["detail"]

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("", "bad_timing"),
            ("cron=@daily", "bad_cron"),
            ("cron=0 0 31 2 *", "never_fires"),
            ("every=1", "bad_interval"),
            ("cron=* * * * *&timezone=Nowhere", "unknown_timezone"),
            ("every=1s&after=2026-01-01T00:00:00", "bad_query"),
            ("every=1s&after=9999-12-31T23:59:59Z", "bad_query"),
            ("every=1s&anchor=0001-01-01T00:00:00%2B14:00", "bad_query"),
            ("every=1s&anchor=now", "bad_query"),
            ("every=1s&count=0", "bad_query"),
            (f"cron={'1,' * 150}", "bad_query"),
            ("every=1s&unknown=1", "bad_query"),
        ],
    )
    async def test_what_is_no_timing_is_refused(self, world: World, query: str, code: str) -> None:
        answer = await read(world, f"/schedule-preview?{query}")

        assert (answer.status_code, problem(answer)["code"]) == (400, code)
