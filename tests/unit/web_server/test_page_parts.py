"""Does the script of the page find what it fills?"""

import re
from pathlib import Path

import observatory.web_server

PAGE = Path(observatory.web_server.__file__).parent / "page"
SCRIPT = (PAGE / "page.js").read_text(encoding="utf-8")


def test_every_place_that_the_script_fills_is_on_the_page() -> None:
    places = set(re.findall(r'\bid="([^"]+)"', (PAGE / "index.html").read_text(encoding="utf-8")))

    filled = set(re.findall(r'byId\("([^"]+)"\)', SCRIPT))

    assert "recent-warning" in filled
    assert filled <= places


def test_what_the_list_leaves_out_is_read_from_its_header() -> None:
    assert 'headers.get("Job-Warning")' in SCRIPT
