"""Can every text of the page be read over the brightest and the darkest of what shines through its cards?"""

import re
from pathlib import Path

import pytest

import observatory.web_server

CSS = (Path(observatory.web_server.__file__).parent / "page" / "page.css").read_text(encoding="utf-8")
TEXTS = ["text", "soft", "accent", "ok", "wait", "run", "warn", "bad", "off"]
BACKDROPS = ["ground", "glow-1", "glow-2"]
Color = tuple[float, float, float, float]


def themes() -> dict[str, dict[str, Color]]:
    light, dark = re.findall(r":root \{([^}]*--ground[^}]*)\}", CSS)
    return {"light": tokens(light), "dark": tokens(dark)}


def tokens(block: str) -> dict[str, Color]:
    return {name: color(value.strip()) for name, value in re.findall(r"--([a-z0-9-]+):([^;]+);", block)}


def color(text: str) -> Color:
    if text.startswith("#"):
        red, green, blue = (int(text[place : place + 2], 16) / 255 for place in (1, 3, 5))
        return red, green, blue, 1.0
    red, green, blue, alpha = map(float, re.findall(r"[\d.]+", text))
    return red / 255, green / 255, blue / 255, alpha


def over(front: Color, back: Color) -> Color:
    red, green, blue = (front[i] * front[3] + back[i] * (1 - front[3]) for i in range(3))
    return red, green, blue, 1.0


def luminance(of: Color) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in of[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Color, other: Color) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("backdrop", BACKDROPS)
def test_text_stands_out_from_a_card_over_every_backdrop(theme: str, text: str, backdrop: str) -> None:
    colors = themes()[theme]
    card = over(colors["card"], colors[backdrop])

    assert contrast(colors[text], card) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("text", ["text", "soft"])
@pytest.mark.parametrize("backdrop", BACKDROPS)
def test_text_outside_a_card_stands_out_as_well(theme: str, text: str, backdrop: str) -> None:
    colors = themes()[theme]

    assert contrast(colors[text], colors[backdrop]) >= 4.5


def test_the_measure_knows_black_from_white() -> None:
    assert round(contrast(color("#000000"), color("#ffffff"))) == 21
