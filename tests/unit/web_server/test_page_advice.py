"""Does the page advise only commands that there are?"""

import re
from pathlib import Path

import observatory.web_server
from observatory.cli.app import COMMANDS, NAME

PAGE = Path(observatory.web_server.__file__).parent / "page"


def test_every_command_that_the_page_names_exists() -> None:
    texts = [path.read_text(encoding="utf-8") for path in PAGE.iterdir() if path.suffix in {".js", ".html"}]

    advised = {command for text in texts for command in re.findall(rf"{NAME} ([a-z]+)", text)}

    assert advised
    assert advised <= {name for name, _, _ in COMMANDS}
