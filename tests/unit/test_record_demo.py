"""The picture in the README: what a terminal showed, and nothing from elsewhere."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from observatory.cli.demo.story import CHAPTERS
from scripts.record_demo import ROWS, check_is_of_nowhere, record, screen_of, svg_of
from tests.architecture.source_tree import ROOT

SVG = "{http://www.w3.org/2000/svg}"


def texts_of(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ET.fromstring(svg).iter(f"{SVG}text")]


def test_what_was_written_is_in_the_picture_with_its_colours() -> None:
    svg = svg_of(screen_of([(0.0, "\x1b[1mtitle\x1b[0m <&>\r\n"), (1.0, "\x1b[31mred\x1b[0m\n")]), "a & b")

    assert texts_of(svg) == ["a & b", "title <&>", "red"]
    assert [span.get("class") for span in ET.fromstring(svg).iter(f"{SVG}tspan")] == ["b", "r"]


def test_a_line_that_is_drawn_anew_shows_one_state_after_the_other_and_its_last_one_stays() -> None:
    pieces = [(at, f"\r\x1b[2Kdone {at:.0f}") for at in (0.0, 1.0, 2.0)]

    svg = svg_of(screen_of([*pieces, (2.1, "\n")]), "it")

    assert texts_of(svg) == ["it", "done 0", "done 1", "done 2"]
    past = [text.get("class") for text in ET.fromstring(svg).iter(f"{SVG}text")]
    assert past == ["title", "past", "past", None]


def test_states_that_nobody_could_read_are_left_out() -> None:
    pieces = [(number / 100, f"\r\x1b[2K{number}") for number in range(100)]

    assert texts_of(svg_of(screen_of(pieces), "it")) == ["it", "39", "79", "99"]


def test_more_lines_than_the_terminal_has_scroll() -> None:
    pieces = [(number, f"{number}\n") for number in range(ROWS + 3)]

    svg = svg_of(screen_of(pieces), "it")

    assert svg.count("@keyframes page{0%{transform:translateY(0)}") == 1
    assert "#page{transform:translateY(-60px)}" in svg


def test_the_picture_asks_nobody_for_anything() -> None:
    svg = svg_of(screen_of([(0.0, "x\n")]), "it").replace('xmlns="http://www.w3.org/2000/svg"', "")

    assert [word for word in ("http", "url(", "@import", "<script", "<image", "href") if word in svg] == []


def test_a_folder_of_this_machine_is_refused() -> None:
    with pytest.raises(SystemExit, match="is in the picture"):
        check_is_of_nowhere(f"<text>{Path.cwd()}/x</text>")


def test_a_command_is_recorded_in_a_terminal_and_one_that_fails_is_no_picture() -> None:
    code = "import os, sys; print(sys.stdout.isatty(), *os.get_terminal_size()); sys.exit(int(sys.argv[1]))"
    environ = {"TERM": "xterm"}

    shown = "".join(text for _, text in record([sys.executable, "-c", code, "0"], environ))

    assert shown == "True 100 30\r\n"
    with pytest.raises(SystemExit, match="ended with 3"):
        list(record([sys.executable, "-c", code, "3"], environ))


def test_the_picture_in_the_readme_is_of_a_demo_that_took_about_a_minute_and_came_out_as_told() -> None:
    picture = (ROOT / "docs" / "demo.svg").read_text(encoding="utf-8")
    words = "\n".join(texts_of(picture))

    assert [int(number) for number in re.findall(r"^(\d)/7  ", words, re.MULTILINE)] == list(range(1, CHAPTERS + 1))
    (took_s,) = re.findall(r"jobs in (\d+) s, and all of it came out as told\.", words)
    assert 30 <= int(took_s) <= 90
    assert "docs/demo.svg" in (ROOT / "README.md").read_text(encoding="utf-8")
