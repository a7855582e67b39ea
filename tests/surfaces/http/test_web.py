"""Is the page served so that a browser can trust it, and does it find the others?"""

import re

import pytest

from tests.surfaces.http.services import World, client

FILES = ["/", "/page.css", "/page.js", "/view.js", "/icon.svg"]


async def test_the_page_may_call_the_read_model_and_nothing_else(world: World) -> None:
    async with client(world.web(), base_url="http://127.0.0.1:8081", headers={}) as http:
        answer = await http.get("/")

    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["connect-src"] == "'self' http://127.0.0.1:8080"
    assert policy["script-src"] == "'self'"
    assert policy["default-src"] == "'none'"


async def test_the_page_learns_where_the_others_are(world: World) -> None:
    async with client(world.web(read_model_port=18080), base_url="http://localhost:8081") as http:
        config = (await http.get("/config.json")).json()

    assert config["links"]["readModel"] == "http://localhost:18080"


@pytest.mark.parametrize("path", FILES)
async def test_a_file_asks_nothing_of_the_rest_of_the_world(path: str, world: World) -> None:
    async with client(world.web()) as http:
        answer = await http.get(path)

    addresses = re.findall(r"https?://[^\s\"'`)]+", answer.text)
    assert answer.status_code == 200
    assert [one for one in addresses if one != "http://www.w3.org/2000/svg"] == []


async def test_everything_on_the_page_is_put_there_as_text(world: World) -> None:
    async with client(world.web()) as http:
        scripts = [(await http.get(path)).text for path in ("/page.js", "/view.js")]
        page = (await http.get("/")).text

    assert not any(re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", one) for one in scripts)
    assert not re.search(r"\son\w+=|style=|<script>", page)
