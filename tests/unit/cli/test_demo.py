"""What the demo draws from its seed, how it is told, and which process it may kill."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from observatory.cli.demo import processes
from observatory.cli.demo.inputs import MISSING, Inputs
from observatory.cli.demo.processes import NotOurProcess, kill_child
from observatory.cli.demo.teller import Teller, bar
from observatory.cli.output import Output


@pytest.fixture
def child() -> Generator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "'observatory'; import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_equal_seeds_give_equal_files_and_others_do_not(tmp_path: Path) -> None:
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        digests.append(list(Inputs(tmp_path / name, seed).write_files(3).values()))

    assert digests[0] == digests[1] != digests[2]
    assert len(set(digests[0])) == 3


def test_the_price_that_is_missing_is_there_once_it_is_mended(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path, 7)
    inputs.write_order()
    before = json.loads(inputs.prices.read_text(encoding="utf-8"))
    cents = inputs.mend_prices()
    after = json.loads(inputs.prices.read_text(encoding="utf-8"))

    assert set(after) - set(before) == {MISSING}
    order = json.loads(inputs.order.read_text(encoding="utf-8"))
    assert cents == sum(count * after[article] for article, count in order.items())


@pytest.mark.parametrize(("done", "filled"), [(0, 0), (1, 1), (15, 15), (16, 16), (40, 16)])
def test_a_bar_never_overflows(done: int, filled: int) -> None:
    assert bar(done, 16) == "[" + "#" * filled + "." * (16 - filled) + "]"


def test_a_difference_is_told_with_both_values() -> None:
    out = io.StringIO()
    teller = Teller(Output(out, io.StringIO(), {}), is_json=False, is_paced=False)

    assert teller.check("jobs", expected=2, found=2)
    assert not teller.check("ended as", expected="COMPLETED", found="FAILED")
    assert [line[6:].strip() for line in out.getvalue().splitlines()] == [
        "jobs: 2",
        "ended as: FAILED, expected COMPLETED",
    ]


def test_a_line_that_moves_gives_a_pipe_its_last_state_alone() -> None:
    out = io.StringIO()
    teller = Teller(Output(out, io.StringIO(), {}), is_json=False, is_paced=True)

    for number in range(3):
        teller.move(f"done {number}")
    teller.say("next")

    assert out.getvalue().split() == ["done", "2", "next"]


def test_text_from_data_cannot_steer_the_terminal() -> None:
    out = io.StringIO()
    Teller(Output(out, io.StringIO(), {}), is_json=False, is_paced=False).say("a\x1b[2Jb")

    assert "\x1b" not in out.getvalue()


def test_a_child_of_the_observatory_is_killed(child: subprocess.Popen[bytes]) -> None:
    kill_child(child.pid, of=os.getpid())

    assert child.wait(10) == -9


def test_what_is_no_child_of_it_or_another_program_lives_on(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotOurProcess):
        kill_child(child.pid, of=os.getppid())
    monkeypatch.setattr(processes, "_command_of", lambda pid: "somebody else's")
    with pytest.raises(NotOurProcess):
        kill_child(child.pid, of=os.getpid())
    for nobody in (0, 1, -1):
        with pytest.raises(NotOurProcess):
            kill_child(nobody, of=os.getpid())

    assert child.poll() is None
