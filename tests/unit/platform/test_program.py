import re
import tomllib

import pytest

from observatory.platform.doctor import program
from observatory.runtime import application_probe
from tests.e2e.process import ROOT
from tests.unit.platform.conftest import BUILD, Make


def test_the_packages_are_those_that_the_project_depends_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.match(r"[a-z0-9-]+", line)[0] for line in project["dependencies"]}

    assert {package for package, _ in program.PACKAGES} == needed - {"uvloop"}
    assert project["requires-python"] == ">=" + ".".join(map(str, program.PYTHON_MIN))


def test_a_package_that_is_missing_is_named_with_the_command_that_brings_it(subject_with: Make):
    packages = (("msgspec", "msgspec"), ("no-such-thing", "no_such_thing"))

    found = program.judged_packages(packages, subject_with())

    assert found.level == "fail"
    assert "no-such-thing cannot be imported (ModuleNotFoundError" in found.detail
    assert found.remedy.endswith("-m pip install --force-reinstall no-such-thing")


def test_in_the_source_tree_make_installs(subject_with: Make):
    build = type(BUILD)(**{**vars(BUILD), "is_checkout": True})

    assert "make setup" in program.install_command(["msgspec"], subject_with(build=build))


def test_packages_that_are_there_are_listed_with_their_versions(subject_with: Make):
    found = program.look_at_packages(subject_with())

    assert found.level == "ok"
    assert re.search(r"litestar 2\.\d+", found.detail)


def test_a_python_that_is_too_old_fails():
    assert program.judged_python((3, 10), "CPython 3.10.2").level == "fail"
    assert program.judged_python((3, 11), "CPython 3.11.0").level == "ok"


@pytest.mark.parametrize(
    ("loop", "platform", "level"),
    [("uvloop 0.23.0", "linux", "ok"), ("asyncio", "linux", "warn"), ("asyncio", "win32", "ok")],
)
def test_the_standard_loop_is_a_warning_where_a_faster_one_exists(subject_with: Make, loop, platform, level):
    assert program.judged_event_loop(loop, platform, subject_with()).level == level


def test_settings_that_cannot_be_used_are_a_failure_with_each_problem(subject_with: Make):
    found = program.look_at_settings(subject_with(problems=("first", "second")))

    assert (found.level, found.detail) == ("fail", "first; second")
    assert found.remedy == "odd-dashboard config show --origin"


# --- the application --------------------------------------------------------------------------------


def test_an_application_without_types_is_a_warning_and_many_are_counted():
    from observatory.platform.doctor.application import judged_types

    assert judged_types("a:b", []).level == "warn"
    assert judged_types("a:b", ["one"]).detail == "a:b has 1 job type: one"
    assert judged_types("a:b", [f"t{n:02}" for n in range(25)]).detail.endswith("t19 and 5 more")


def app_file(tmp_path, monkeypatch, text):
    (tmp_path / "shop.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


GOOD = "from observatory import Observatory\napp = Observatory()\n@app.job('mine')\ndef mine(ctx): ...\n"


def test_the_types_of_an_application_are_found_whatever_it_prints(tmp_path, monkeypatch, capfd):
    app_file(tmp_path, monkeypatch, f"import os\nprint('hello')\nos.write(1, b'raw')\nos.write(2, b'raw')\n{GOOD}")

    assert application_probe.types_of_app("shop:app", s_max=30) == ["mine"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("spec", "text", "said"),
    [
        ("shop:nothing", GOOD, "shop has no nothing"),
        ("shoop:app", GOOD, "there is no module shoop"),
        ("shop:app", "app = 3", "shop:app is not an application"),
        ("shop:app", "1 / 0", "ZeroDivisionError"),
        ("shop:app", "import sys; sys.exit(3)", "SystemExit"),
        ("shop:app", "import os; os._exit(3)", "ended the process that imported it (3)"),
        ("shop:app", GOOD.replace("mine", "echo"), "echo, which are built in"),
    ],
)
def test_an_application_that_cannot_be_used_says_why(tmp_path, monkeypatch, spec, text, said):
    from observatory.core.errors import BadSettings

    app_file(tmp_path, monkeypatch, text)

    with pytest.raises(BadSettings) as refused:
        application_probe.types_of_app(spec, s_max=30)

    assert said in str(refused.value)
    assert refused.value.remedy


def test_an_application_that_does_not_end_its_import_is_given_up(tmp_path, monkeypatch):
    app_file(tmp_path, monkeypatch, "import threading; threading.Event().wait()")

    with pytest.raises(TimeoutError):
        application_probe.types_of_app("shop:app", s_max=0.5)


def test_an_application_that_is_slow_to_import_is_a_warning(subject_with: Make):
    from observatory.platform.doctor.application import look_at_application

    def slow(_):
        raise TimeoutError

    found = look_at_application(subject_with(app="shop:app", types_of=slow))

    assert (found.level, "was not imported within" in found.detail) == ("warn", True)
