"""What is really loaded when a part of the program is imported?

The static rules live in pyproject.toml (import-linter). These tests start a fresh interpreter for each package and
look at `sys.modules`, so that they also see what a library or a lazy import drags in.
"""

import json
import subprocess
import sys

import pytest

from tests.architecture.source_tree import PACKAGE, imported_modules, module_name, parsed, shown, source_files

PORTS = ["job_store", "event_bus", "event_log", "view_store"]
SERVICES = ["gateway", "processor", "metrics_engine", "read_model", "web_server", "maintenance", "audit"]
SURFACES_WITHOUT_A_SERVER = ["sdk", "client"]

DRIVER_MODULES = {"sqlite", "in_process", "postgres", "rabbitmq", "mongodb", "redis"}
VENDORS = {"aio_pika", "aiormq", "aiosqlite", "asyncpg", "pymongo", "redis", "sqlite3"}
SERVERS = {"litestar", "starlette", "uvicorn", "uvloop"}
SCREENS = {"textual"}
MSGSPEC = {"msgspec", "typing_extensions"}
"""With what it loads itself."""
CRONSIM = {"cronsim"}
"""Reads cron expressions: pure computation."""
THIRD_PARTY_ALLOWED = {"core": MSGSPEC | CRONSIM, "contracts": MSGSPEC | CRONSIM | {"jsonschema_rs"}}
REPORT = "print(json.dumps(sorted(set(sys.modules) - before)))"


def loaded_by(statements: str) -> set[str]:
    """Names of the modules that a fresh interpreter holds after *statements* and did not hold before."""
    code = f"import json, sys; before = set(sys.modules)\n{statements}\n{REPORT}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def modules_of(package: str, *, without: set[str]) -> list[str]:
    """All modules of a package, except those whose own name is in *without*."""
    files = [path for path in source_files() if path.is_relative_to(PACKAGE / package)]
    assert files, f"there is no package observatory.{package}"
    return [module_name(path) for path in files if not {path.stem, path.parent.name} & without]


def top_level(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def drivers_in(modules: set[str]) -> set[str]:
    """Our own driver modules among *modules*, and the engine behind them."""
    ours = [name.split(".") for name in modules if name.startswith("observatory.")]
    return {".".join(name) for name in ours if name[1] == "engine" or (name[1] in PORTS and set(name) & DRIVER_MODULES)}


def third_party(modules: set[str]) -> set[str]:
    # The interpreter keeps how it was built in a module whose name depends on the platform.
    ours = {name for name in top_level(modules) if name == "observatory" or name.startswith("_sysconfigdata")}
    return top_level(modules) - ours - sys.stdlib_module_names


@pytest.mark.parametrize("package", sorted(THIRD_PARTY_ALLOWED))
def test_a_pure_package_loads_no_other_library(package: str) -> None:
    modules = modules_of(package, without=set())

    loaded = loaded_by(f"import {', '.join(modules)}")

    assert third_party(loaded) - THIRD_PARTY_ALLOWED[package] == set()


@pytest.mark.parametrize("package", ["core"])
def test_core_names_only_the_standard_library_msgspec_cronsim_and_itself(package: str) -> None:
    allowed = sys.stdlib_module_names | MSGSPEC | CRONSIM
    files = [path for path in source_files() if path.is_relative_to(PACKAGE / package)]

    found = [
        f"{shown(path)}:{line} imports {name}"
        for path in files
        for line, name in imported_modules(parsed(path))
        if name.split(".")[0] not in allowed and not f"{name}.".startswith(f"observatory.{package}.")
    ]

    assert files
    assert found == []


@pytest.mark.parametrize("package", PORTS)
def test_a_port_loads_no_driver_and_no_vendor(package: str) -> None:
    modules = modules_of(package, without=DRIVER_MODULES)

    loaded = loaded_by(f"import {', '.join(modules)}")

    assert drivers_in(loaded) == set()
    assert top_level(loaded) & (VENDORS | SERVERS | SCREENS) == set()


@pytest.mark.parametrize("package", SERVICES + SURFACES_WITHOUT_A_SERVER)
def test_a_service_without_its_routes_loads_no_driver_no_vendor_and_no_server(package: str) -> None:
    modules = modules_of(package, without={"http"})

    loaded = loaded_by(f"import {', '.join(modules)}")

    assert drivers_in(loaded) == set()
    assert top_level(loaded) & (VENDORS | SERVERS | SCREENS) == set()


def routes_of(package: str) -> list[str]:
    return [name for name in modules_of(package, without=set()) if "http" in name.split(".")]


@pytest.mark.parametrize("package", [package for package in SERVICES if routes_of(package)])
def test_the_routes_of_a_service_load_no_driver_and_no_server_process(package: str) -> None:
    routes = routes_of(package)

    loaded = loaded_by(f"import {', '.join(routes)}")

    assert drivers_in(loaded) == set()
    assert top_level(loaded) & {"uvicorn", "asyncpg", "aio_pika", "pymongo", "redis"} == set()


def test_the_public_import_loads_no_server_and_no_driver() -> None:
    loaded = loaded_by("import observatory")

    assert drivers_in(loaded) == set()
    assert top_level(loaded) & (VENDORS | SERVERS | SCREENS) == set()


def test_an_application_that_submits_nothing_loads_no_http_client() -> None:
    loaded = loaded_by(
        "from observatory import JobFailed, Observatory\n"
        "app = Observatory()\n"
        "@app.job('x')\n"
        "def x(ctx, *, path: str) -> None: ...\n"
    )

    assert drivers_in(loaded) == set()
    assert top_level(loaded) & (VENDORS | SERVERS | SCREENS | {"httpx2", "asyncio", "jsonschema_rs"}) == set()


def test_asking_for_the_version_loads_no_server_and_no_screen() -> None:
    loaded = loaded_by(
        "sys.argv = ['odd-dashboard', '--version']\n"
        "from observatory.cli.app import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
    )

    assert drivers_in(loaded) == set()
    assert top_level(loaded) & (VENDORS | SERVERS | SCREENS) == set()


def test_nothing_that_ships_imports_the_testing_package() -> None:
    judged = [path for path in source_files() if not path.is_relative_to(PACKAGE / "testing")]

    found = [
        f"{shown(path)}:{line}"
        for path in judged
        for line, name in imported_modules(parsed(path))
        if f"{name}.".startswith("observatory.testing.")
    ]

    assert judged
    assert found == []


def test_the_probe_sees_what_an_import_loads() -> None:
    loaded = loaded_by("import sqlite3")

    assert "sqlite3" in loaded


def test_the_probe_tells_drivers_from_ports() -> None:
    modules = {"observatory.job_store.port", "observatory.job_store.sqlite", "observatory.engine.file", "sqlite3"}

    assert drivers_in(modules) == {"observatory.job_store.sqlite", "observatory.engine.file"}
    assert third_party(modules | {"litestar.app"}) == {"litestar"}


def test_a_failing_import_fails_the_probe() -> None:
    with pytest.raises(AssertionError, match="no_such_module"):
        loaded_by("import no_such_module")
