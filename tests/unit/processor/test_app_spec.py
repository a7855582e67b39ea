"""From `module:attribute` to handlers."""

import pytest

from observatory.core.errors import BadSettings
from observatory.processor.app_spec import BUILTIN_APP, load_handlers
from tests import handlers


def test_the_handlers_of_an_application_are_found() -> None:
    assert load_handlers("tests.handlers:app") == handlers.app.handlers
    assert "echo" in load_handlers(BUILTIN_APP)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("tests.handlers", "'tests.handlers' names no application"),
        (":app", "':app' names no application"),
        ("tests.handlers:", "'tests.handlers:' names no application"),
        ("no_such_module:app", "there is no module no_such_module"),
        ("tests.no_such_module:app", "there is no module tests.no_such_module"),
        ("tests.handlers:nothing", "tests.handlers has no nothing"),
        ("tests.handlers:app.nothing", "tests.handlers has no app.nothing"),
        ("tests.handlers:MIB", "tests.handlers:MIB is not an application"),
    ],
)
def test_a_wrong_name_says_what_is_wrong_and_what_to_do(spec: str, says: str) -> None:
    with pytest.raises(BadSettings) as refusal:
        load_handlers(spec)

    assert str(refusal.value) == says
    assert refusal.value.remedy


def test_the_applications_that_the_module_has_are_named() -> None:
    for wrong in ("tests.handlers:ap", "tests.handlers:MIB"):
        with pytest.raises(BadSettings) as refusal:
            load_handlers(wrong)
        assert refusal.value.remedy == "write tests.handlers:app"

    with pytest.raises(BadSettings) as refusal:
        load_handlers("json:app")
    assert refusal.value.remedy == "write module:attribute; json has no Observatory()"


def test_a_module_that_imports_a_missing_one_is_not_itself_called_missing(tmp_path, monkeypatch) -> None:
    (tmp_path / "needs_more.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        load_handlers("needs_more:app")
