"""
Runs a command in a terminal of its own and writes what it showed as a picture that moves: `make record`.

    python -m scripts.record_demo docs/demo.svg odd-dashboard demo

The picture is one SVG without scripts, fonts or addresses of elsewhere. It plays in real time, again and again; whoever
asks for less motion sees its end.
"""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

COLUMNS, ROWS = 100, 30
CHAR_PX, LINE_PX, MARGIN_PX, BAR_PX = 8.43, 20, 16, 36
HOLD_S = 6.0
"""How long the end stays before it begins anew."""
VERSION_S_MIN = 0.4
"""A line that moves is drawn anew at most this often."""
CLASSES = {"1": "b", "2": "d", "31": "r", "32": "g", "33": "y", "36": "c"}
TOKEN = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")

STYLE = """
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d5dae3;white-space:pre}
.b{font-weight:bold;fill:#fff}.d{fill:#8b95a7}.r{fill:#ff8080}.g{fill:#7fd88f}.y{fill:#e8c766}.c{fill:#6cc7d9}
.title{font-size:13px;fill:#8b95a7}
"""

Span = tuple[str, str]
"""Class and text."""


@dataclass
class Line:
    """One line of the terminal, as it was from an instant on."""

    versions: list[tuple[float, tuple[Span, ...]]] = field(default_factory=list)

    def show(self, at_s: float, spans: tuple[Span, ...]) -> None:
        """What was shown too shortly for a reader gives way to what comes next."""
        if self.versions and at_s - self.versions[-1][0] < VERSION_S_MIN:
            self.versions[-1] = (self.versions[-1][0], spans)
        else:
            self.versions.append((at_s, spans))


class Screen:
    """As much of a terminal as `odd-dashboard` asks for: colours, new lines, and a line that is drawn anew."""

    def __init__(self) -> None:
        self.lines: list[Line] = [Line()]
        self._spans: list[Span] = []
        self._class = ""

    def write(self, at_s: float, text: str) -> None:
        for code, letter, control, words in TOKEN.findall(text):
            if letter == "m":
                self._class = CLASSES.get(code, "")
            elif letter == "K" or control == "\r":
                self._spans = [] if letter else self._spans
            elif control == "\n":
                self.lines.append(Line())
                self._spans = []
            elif words:
                self._spans.append((self._class, words))
                self.lines[-1].show(at_s, tuple(self._spans))


def record(command: list[str], environ: Mapping[str, str]) -> Iterator[tuple[float, str]]:
    """What *command* writes to its terminal, with the seconds since its start. Raises SystemExit when it fails."""
    pid, terminal = pty.fork()
    if not pid:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execvpe(command[0], command, dict(environ))
    began_s = time.monotonic()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        select.select([terminal], [], [])
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # Linux says so that the other end is closed
            piece = b""
        if not piece:
            break
        yield time.monotonic() - began_s, decoder.decode(piece)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}; nothing was written")


def screen_of(pieces: Iterable[tuple[float, str]]) -> Screen:
    screen = Screen()
    for at_s, text in pieces:
        screen.write(at_s, text)
    while screen.lines and not screen.lines[-1].versions:
        screen.lines.pop()
    return screen


def svg_of(screen: Screen, title: str) -> str:
    """The picture."""
    shown = [line for line in screen.lines if line.versions]
    ends_s = max((line.versions[-1][0] for line in shown), default=0.0) + HOLD_S
    moves: list[str] = []
    texts = [
        text
        for row, line in enumerate(screen.lines)
        for text in _texts_of(line, MARGIN_PX + LINE_PX * (row + 1), ends_s, moves)
    ]
    width, height = round(COLUMNS * CHAR_PX + 2 * MARGIN_PX), BAR_PX + ROWS * LINE_PX + 2 * MARGIN_PX
    hidden = max(0, len(screen.lines) - ROWS)
    moves.append(_scrolling(screen, ends_s))
    still = f"#page{{transform:translateY({-hidden * LINE_PX}px)}}.past{{opacity:0}}"
    lively = "\n".join(moves)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">\n<style>{STYLE}{still}\n'
        f"@media (prefers-reduced-motion:no-preference){{\n{lively}\n}}</style>\n"
        f'<rect width="{width}" height="{height}" rx="10" fill="#14181f"/>\n'
        '<circle cx="20" cy="18" r="5" fill="#39424f"/><circle cx="38" cy="18" r="5" fill="#39424f"/>'
        '<circle cx="56" cy="18" r="5" fill="#39424f"/>\n'
        f'<text class="title" x="{width / 2:.0f}" y="23" text-anchor="middle">{escape(title)}</text>\n'
        f'<svg y="{BAR_PX}" width="{width}" height="{ROWS * LINE_PX + MARGIN_PX + 6}"><g id="page">\n'
        + "\n".join(texts)
        + "\n</g></svg>\n</svg>\n"
    )


def _texts_of(line: Line, y: int, ends_s: float, moves: list[str]) -> Iterator[str]:
    """One text per version; *moves* gets when it comes and goes."""
    for number, (from_s, spans) in enumerate(line.versions):
        is_last = number + 1 == len(line.versions)
        name = f"t{len(moves)}"
        comes = from_s / ends_s * 100
        goes = "" if is_last else f"{line.versions[number + 1][0] / ends_s * 100:.3f}%{{opacity:0}}"
        moves.append(
            f"@keyframes {name}{{0%{{opacity:0}}{comes:.3f}%{{opacity:1}}{goes}}}"
            f"#{name}{{animation:{name} {ends_s:.2f}s step-end infinite}}"
        )
        words = "".join(
            f'<tspan class="{kind}">{escape(text)}</tspan>' if kind else escape(text) for kind, text in spans
        )
        past = "" if is_last else ' class="past"'
        yield f'<text id="{name}"{past} x="{MARGIN_PX}" y="{y}" xml:space="preserve">{words}</text>'


def _scrolling(screen: Screen, ends_s: float) -> str:
    """The page moves up by a line for each that finds no room."""
    steps = ["0%{transform:translateY(0)}"]
    for row, line in enumerate(screen.lines[ROWS:], 1):
        if line.versions:
            at = line.versions[0][0] / ends_s * 100
            steps.append(f"{at:.3f}%{{transform:translateY({-row * LINE_PX}px)}}")
    return f"@keyframes page{{{''.join(steps)}}}#page{{animation:page {ends_s:.2f}s step-end infinite}}"


def check_is_of_nowhere(svg: str) -> None:
    """Raises SystemExit: a folder of this machine is in the picture."""
    for folder in (str(Path.home()), str(Path.cwd()), tempfile.gettempdir()):
        if len(folder) > 1 and folder in svg:
            raise SystemExit(f"{folder} is in the picture; nothing was written")


def main(arguments: list[str]) -> None:
    target, *command = arguments
    environ = {
        "TERM": "xterm-256color",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
    }
    prompt = (0.0, f"\x1b[2m$\x1b[0m {' '.join(command)}\n")
    svg = svg_of(screen_of([prompt, *record(command, environ | {"HOME": tempfile.gettempdir()})]), " ".join(command))
    check_is_of_nowhere(svg)
    Path(target).write_text(svg, encoding="utf-8")
    print(f"{target}: {len(svg) // 1024} KiB")


if __name__ == "__main__":
    main(sys.argv[1:])
