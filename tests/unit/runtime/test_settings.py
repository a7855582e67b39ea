"""Which source decides, what each value may be, and how what is wrong is said."""

import os
from pathlib import Path
from typing import Any

import pytest

from observatory.core import limits
from observatory.core.errors import BadSettings
from observatory.core.job import JobStatus
from observatory.core.retention import Kept
from observatory.runtime.settings import SETTINGS, VARIABLES, as_environment, load, read
from observatory.runtime.settings_urls import shown_url
from observatory.runtime.settings_values import shown
from tests.e2e.process import BY_PERMISSIONS, odd


def write(folder: Path, text: str) -> None:
    (folder / "config.toml").write_text(text, encoding="utf-8")


def problems(folder: Path, flags: dict[str, Any] | None = None, **environ: str) -> list[str]:
    return list(read({"data_dir": folder, **(flags or {})}, environ).problems)


# --- which source decides -------------------------------------------------------------------------

URL = "postgresql://ann:hunter2@db:5432/jobs"

LADDER = [
    ("host", "127.0.0.2", "127.0.0.3", "'127.0.0.4'", "127.0.0.1"),
    ("gateway_port", 1, "2", "3", 3000),
    ("read_model_port", 1, "2", "3", 8080),
    ("web_port", 1, "2", "3", 8081),
    ("slots", 1, "2", "3", limits.SLOTS_DEFAULT),
    ("prefetch", 1, "2", "3", 0),
    ("app", "flag:app", "environ:app", "'file:app'", None),
    ("log", "debug", "warning", "'error'", "info"),
    ("allowed_hosts", "flag.example", "environ.example", "['file.example']", ()),
    ("allowed_origins", "https://flag.example", "https://environ.example", "['https://file.example']", ()),
    ("reads_need_token", True, "false", "true", False),
    ("retention_completed", "1h", "2h", "'3h'", 7 * 86_400),
    ("retention_failed", "1h", "never", "'3h'", 30 * 86_400),
    ("retention_cancelled", "1h", "2h", "'never'", 7 * 86_400),
    ("health_port", 1, "2", "3", 0),
    ("gateways", 2, "3", "4", 1),
    ("processors", 2, "3", "4", 1),
    ("postgres_statement_cache", 1, "0", "3", limits.POSTGRES_STATEMENT_CACHE_DEFAULT),
    ("postgres_connections_max", 1, "2", "3", limits.POSTGRES_CONNECTIONS_DEFAULT),
    ("retention_types", "a:failed=1h", "b:failed=2h", "'c:failed=3h'", {}),
]


def test_the_ladder_has_every_setting_that_can_be_used() -> None:
    usable = {setting.name for setting in SETTINGS if setting.variable.startswith("ODD_")} - {"data_dir"}

    assert {name for name, *_ in LADDER} == usable


@pytest.mark.parametrize("rungs", LADDER, ids=[name for name, *_ in LADDER])
def test_flag_goes_before_environment_before_file_before_default(tmp_path: Path, rungs: tuple[Any, ...]) -> None:
    name, flag, variable, written, default = rungs
    write(tmp_path, f"{name} = {written}\n")
    flags = {"data_dir": tmp_path, name: flag}
    shared = {"POSTGRES_URL": URL}
    environ = {f"ODD_{name.upper()}": variable, **shared}
    none: dict[str, Any] = {"data_dir": tmp_path}
    elsewhere: dict[str, Any] = {"data_dir": tmp_path / "empty"}

    found = [
        read(flags, environ),
        read(none, environ),
        read(none, shared),
        read(elsewhere, shared),
    ]

    assert [reading.problems for reading in found] == [()] * 4
    values = [next(value for value in reading.values if value.name == name) for reading in found]
    assert [value.origin for value in values] == ["flag", "environment", "file", "default"]
    assert [getattr(reading.settings, name) for reading in found][3] == default
    if name != "reads_need_token":
        assert len({str(getattr(reading.settings, name)) for reading in found}) == 4


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    write(tmp_path, "slots = 7\n")

    assert load({"data_dir": tmp_path}, {"ODD_SLOTS": ""}).slots == 7


def test_the_file_is_that_of_the_folder_that_the_flag_names(tmp_path: Path) -> None:
    write(tmp_path, "slots = 7\n")

    assert load({"data_dir": tmp_path}, {"ODD_DATA_DIR": str(tmp_path / "other")}).slots == 7


def test_reading_settings_creates_nothing(tmp_path: Path) -> None:
    load({"data_dir": tmp_path / "new"}, {})

    assert list(tmp_path.iterdir()) == []


def test_settings_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    assert problems(tmp_path, PATH="/bin", ODDITY="1", ODD_TOKEN="word", ODD_GATEWAY_URL="http://x") == []


# --- values ---------------------------------------------------------------------------------------

BAD = [
    ("gateway_port", ["-1", "65536", "3000.0", "http", "1e3", "0x10", "١", "9" * 20], "a port from 1 to 65535, or 0"),
    ("slots", ["0", "257", "many", "1.5"], "a number from 1 to 256"),
    ("gateways", ["0", "33", "many"], "a number from 1 to 32"),
    ("postgres_statement_cache", ["-1", "10001", "off"], "a number from 0 to 10000"),
    ("postgres_connections_max", ["0", "101", "many"], "a number from 1 to 100"),
    ("prefetch", ["-1", "257", "many"], "a number from 0 to 256"),
    ("host", ["http://127.0.0.1", "127.0.0.1:80", "a b", "-a", "1.2.3", "a\nb", "*"], "an IP address or a host name"),
    ("app", ["jobs", "jobs/py:app", ":app", "jobs:", "a b:c", "jobs:app()"], "module:attribute"),
    ("log", ["loud", "0", "trace"], "one of debug, info, warning, error"),
    ("reads_need_token", ["maybe", "2", "tru"], "true or false"),
    ("allowed_hosts", ["http://a.example", "a/b", "a.example:port", "a b"], "must name a host such as"),
    ("allowed_origins", ["a.example", "https://a.example/", "*", "file://x"], "must name an origin such as"),
]


@pytest.mark.parametrize(
    ("name", "value", "said"), [(name, value, said) for name, values, said in BAD for value in values]
)
def test_a_bad_value_is_one_line_that_names_the_setting_as_it_was_written(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    (by_environment,) = problems(tmp_path, **{f"ODD_{name.upper()}": value})
    (by_flag,) = problems(tmp_path, {name: value})
    (tmp_path / "config.toml").write_text(f"{name} = {toml(value)}\n", encoding="utf-8")
    (by_file,) = problems(tmp_path)

    assert by_environment.startswith(f"ODD_{name.upper()} must ")
    assert by_flag.startswith(f"--{name.replace('_', '-')} must ")
    assert by_file.startswith(f"{name} in config.toml must ")
    for line in (by_environment, by_flag, by_file):
        assert said in line
        assert "\n" not in line


def toml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@pytest.mark.parametrize("written", ["true", "1.0", "[1]", "{}", "2026-01-01", "-1"])
@pytest.mark.parametrize("name", ["gateway_port", "slots", "host", "app", "log", "allowed_hosts"])
def test_a_value_of_another_type_in_the_file_is_refused(tmp_path: Path, name: str, written: str) -> None:
    write(tmp_path, f"{name} = {written}\n")

    (line,) = problems(tmp_path)

    assert line.startswith(f"{name} in config.toml must ")


@pytest.mark.parametrize("word", ["true", "TRUE", " yes ", "on", "1"])
def test_a_switch_understands_the_usual_words(tmp_path: Path, word: str) -> None:
    assert load({"data_dir": tmp_path}, {"ODD_READS_NEED_TOKEN": word}).reads_need_token


def test_lists_are_cut_at_commas_and_doubles_are_dropped(tmp_path: Path) -> None:
    settings = load({"data_dir": tmp_path}, {"ODD_ALLOWED_HOSTS": " A.example, b.example:80,,a.example ,[::1]:3000"})

    assert settings.allowed_hosts == ("a.example", "b.example:80", "[::1]:3000")


# --- names ----------------------------------------------------------------------------------------


def test_a_name_that_is_nearly_right_is_refused_with_the_right_one(tmp_path: Path) -> None:
    write(tmp_path, "Slots = 1\ngatway_port = 3\n")

    assert problems(tmp_path, ODD_GATEWAYPORT="3") == [
        "'Slots' in config.toml is not a setting; did you mean slots?",
        "'gatway_port' in config.toml is not a setting; did you mean gateway_port?",
        "ODD_GATEWAYPORT is not a setting; did you mean ODD_GATEWAY_PORT?",
    ]


def test_a_name_that_is_like_none_is_refused_without_a_guess(tmp_path: Path) -> None:
    assert problems(tmp_path, ODD_XYZZY="3") == ["ODD_XYZZY is not a setting"]


def test_the_folder_cannot_be_named_by_its_own_file(tmp_path: Path) -> None:
    write(tmp_path, "data_dir = '/elsewhere'\n")

    (line,) = problems(tmp_path)

    assert "has no effect" in line
    assert "ODD_DATA_DIR" in line


URLS = [name for name in VARIABLES if not name.startswith("ODD_")]


@pytest.mark.parametrize("variable", [name for name in URLS if name != "POSTGRES_URL"])
def test_an_engine_that_this_release_cannot_use_is_refused_whoever_names_it(tmp_path: Path, variable: str) -> None:
    write(tmp_path, f"{variable.lower()} = 'engine://ann:hunter2@host/x'\n")

    (by_file,) = problems(tmp_path)
    (by_environment,) = problems(tmp_path / "other", **{variable: "engine://ann:hunter2@host/x"})

    assert by_file.startswith(f"{variable.lower()} in config.toml names ")
    assert by_environment.startswith(f"{variable} names ")
    assert "this release" in by_file
    assert "hunter2" not in by_file + by_environment


# --- PostgreSQL -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "postgres://db",
        "postgresql:///jobs?host=/var/run/postgresql",
        "postgresql://ann:%40%2F%23@[::1]:5432/jobs?sslmode=require",
        "postgresql://ann@one:5432,two:5433/jobs?target_session_attrs=read-write",
        "postgresql:///?host=one,two&port=5432,5433&user=ann&dbname=jobs&passw%6Frd=p%40&application_name=shop",
        "postgresql://db/jobs?sslmode=verify_full&sslrootcert=/dev/null&options=-c%20search_path%3Dshop",
    ],
)
def test_a_url_of_postgresql_is_taken_as_it_is_written(tmp_path: Path, url: str) -> None:
    write(tmp_path, f"[postgres]\nurl = {toml(url)}\nconnections_max = 3\n")

    assert load({"data_dir": tmp_path / "other"}, {"POSTGRES_URL": url}).postgres_url == url
    assert load({"data_dir": tmp_path / "other", "postgres_url": url}, {"POSTGRES_URL": URL}).postgres_url == url
    assert load({"data_dir": tmp_path}, {}).postgres_url == url
    assert load({"data_dir": tmp_path}, {}).postgres_connections_max == 3


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ann:hunter2@db/jobs",
        "db/hunter2",
        "host=db password=hunter2",
        "postgresql:/ann:hunter2@db/jobs",
        "postgresql://ann:hunt#er2@db/jobs",
        "postgresql://ann:hunter2/@db/jobs",
        "postgresql://ann:hunter2@db:port/jobs",
        "postgresql://ann:hunter2@db:0/jobs",
        "postgresql://ann:hunter2@db:65536/jobs",
        "postgresql://ann:hunter2@[::1/jobs",
        "postgresql://ann:hunter2@db/jobs name",
        "postgresql://ann:p@hunter2@db/jobs",
        "postgresql://ann:p@h?hunter2@db:5432/jobs",
        "postgresql://ann:5?hunter2=1@db:5432/jobs",
        "postgresql://ann:hun?t=er2@db:5432/jobs",
        "postgresql://ann@db/jobs?hunter2",
        "postgresql://ann@db/jobs?sslmode=require&&hunter2",
        "postgresql://ann:hunter2@db/jobs#hunter2",
        "postgresql://ann:hunter2@db/" + "x" * 2_000,
    ],
)
def test_a_url_that_cannot_be_used_is_one_line_without_the_password(tmp_path: Path, url: str) -> None:
    reading = read({"data_dir": tmp_path}, {"POSTGRES_URL": url})

    (line,) = reading.problems
    assert line.startswith("POSTGRES_URL ")
    assert "postgresql://user:password@host:5432/database" in line or "%23" in line
    assert "\n" not in line
    assert "hunt" not in line + "".join(value.shown for value in reading.values)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("foo=bar", "has the parameter foo, which is none of a connection"),
        (
            "connect_timeout=3",
            "has the parameter connect_timeout, which libpq takes and this program's driver does not",
        ),
        ("sslmode=bogus", "has a parameter sslmode that is none of disable, allow, "),
        ("ssl_min_protocol_version=SSLv3", "has a parameter ssl_min_protocol_version that is none of TLSv1, "),
        ("target_session_attrs=writable", "has a parameter target_session_attrs that is none of any, "),
        ("port=70000", "has a parameter port that is no number from 1 to 65535"),
        ("host=a%20b", "has a parameter host that names no host"),
        ("sslmode=verify-full&sslrootcert=/nonexist", "has sslrootcert=/nonexist, and there is no such file"),
    ],
)
def test_a_parameter_that_can_never_work_is_named(tmp_path: Path, query: str, said: str) -> None:
    (line,) = read({"data_dir": tmp_path}, {"POSTGRES_URL": f"postgresql://ann@db/jobs?{query}"}).problems

    assert said in line


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ann:pw@db/x?sslmode=require", "postgresql://ann:***@db/x?sslmode=require"),
        (
            "postgresql://db/x?passw%6Frd=pw&user=ann&sslpassword=pw",
            "postgresql://db/x?password=***&user=ann&sslpassword=***",
        ),
        ("postgresql://db/x?pw", "postgresql://db/x?***"),
        ("postgresql://db/x?pw=1&port=2", "postgresql://db/x?***&port=2"),
        ("postgresql://ann:p@w?pw@db/x", "postgresql://***"),
        ("postgresql://db/x#pw", "postgresql://db/x#***"),
    ],
)
def test_of_a_url_only_what_cannot_be_a_password_is_shown(url: str, expected: str) -> None:
    assert shown_url(url) == expected


def test_settings_never_show_the_password(tmp_path: Path) -> None:
    settings = load({"data_dir": tmp_path}, {"POSTGRES_URL": URL})

    assert "hunter2" not in repr(settings) + str(settings)
    assert "postgresql://ann:***@db:5432/jobs" in repr(settings)


@pytest.mark.parametrize("name", ["gateways", "processors"])
def test_replicas_need_a_database_that_processes_share(tmp_path: Path, name: str) -> None:
    (line,) = problems(tmp_path, {name: 2})

    assert line.startswith(f"ODD_{name.upper()} is 2, and embedded data has one owner process")
    assert problems(tmp_path, {name: 2}, POSTGRES_URL=URL) == []


def test_flags_as_variables_give_another_process_the_same_settings(tmp_path: Path) -> None:
    flags = {"data_dir": tmp_path, "slots": 7, "app": "shop.jobs:app", "postgres_url": URL, "log": None}

    assert load({}, as_environment(flags)) == load(flags, {})


# --- the file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"slots = ", "is not TOML: "),
        (b"slots = 1\nslots = 2\n", "is not TOML: "),
        (b"\xff\xfe", "is not TOML: "),
        (b"a = " + b"[" * 5_000, "is nested too deeply"),
        (b"#" * (limits.CONFIG_FILE_BYTES_MAX + 1), "is longer than"),
    ],
    ids=["cut", "twice", "not text", "deep", "long"],
)
def test_a_file_that_cannot_be_used_is_one_line_with_its_path(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "config.toml").write_bytes(content)

    (line,) = problems(tmp_path)

    assert line.startswith(f"{tmp_path}/config.toml {said}")
    assert "\n" not in line


def test_a_folder_in_place_of_the_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()

    assert problems(tmp_path) == [f"{tmp_path}/config.toml cannot be read: {os.strerror(21)}"]


def test_a_file_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    write(tmp_path, "slots = 1\n")
    (tmp_path / "config.toml").chmod(0o000)

    done = odd(tmp_path, "config", "show", before=BY_PERMISSIONS)

    assert done.returncode == 2
    assert done.stderr == f"  ✕ {tmp_path}/config.toml cannot be read: Permission denied\n"


# --- together -------------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    write(tmp_path, "slot = 1\nlog = 'loud'\n")

    with pytest.raises(BadSettings) as caught:
        load({"data_dir": tmp_path, "slots": 0}, {"ODD_HOST": "a b", "ODD_PORT": "1"})

    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines] == ["'slot'", "ODD_PORT", "ODD_HOST", "--slots", "log"]
    assert "odd-dashboard config show --origin" in caught.value.remedy


def test_up_reports_everything_that_is_wrong_and_does_not_touch_the_folder(tmp_path: Path) -> None:
    done = odd(tmp_path / "data", "up", "--slots", "0", ODD_HOST="a b", ODD_PORT="1")

    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split()[1] for line in done.stderr.splitlines() if "✕" in line] == ["ODD_PORT", "ODD_HOST", "--slots"]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "jobs.example.org"])
def test_other_machines_are_let_in_only_when_reads_need_the_token(tmp_path: Path, host: str) -> None:
    (line,) = problems(tmp_path, ODD_HOST=host)

    assert f"may not bind {host}" in line
    assert "ODD_READS_NEED_TOKEN=true" in line
    assert problems(tmp_path, ODD_HOST=host, ODD_READS_NEED_TOKEN="true") == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_alone_needs_no_token_to_read(tmp_path: Path, host: str) -> None:
    assert problems(tmp_path, ODD_HOST=host) == []


def test_one_port_for_two_services_is_refused_by_both_names(tmp_path: Path) -> None:
    assert problems(tmp_path, ODD_GATEWAY_PORT="8080") == [
        "port 8080 is set for the gateway and the read model; each needs its own, or 0"
    ]
    assert problems(tmp_path, ODD_GATEWAY_PORT="0", ODD_READ_MODEL_PORT="0", ODD_WEB_PORT="0") == []


# --- what is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (True, "true"),
        (("a", "b"), "a,b"),
        ("postgresql://db/x", "postgresql://db/x"),
        ("postgresql://ann:pw@db/x", "postgresql://ann:***@db/x"),
        ("postgresql://ann:p/w@x@db/x", "postgresql://ann:***@db/x"),
        ("redis://:pw@db", "redis://:***@db"),
        ("mongodb://db/x?password=pw&w=1", "mongodb://db/x?password=***&w=1"),
        ("mongodb://db/x?w=1&authToken=pw", "mongodb://db/x?w=1&authToken=***"),
        ("host=db password=pw user=ann", "host=db password=*** user=ann"),
        ("password=pw", "password=***"),
        ("host=db password = 'p w\\' x' user=ann", "host=db password = *** user=ann"),
        ("PASSWORD='pw", "PASSWORD=***"),
    ],
)
def test_passwords_are_masked_however_they_are_written(value: Any, expected: str) -> None:
    assert shown(value) == expected


# --- retention ------------------------------------------------------------------------------------


def test_retention_stands_in_a_table_of_its_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        [retention]
        completed = "12h"
        failed = "never"

        [retention.types."mail.send"]
        completed = "90s"
        """,
    )

    reading = read({"data_dir": tmp_path}, {})

    assert reading.problems == ()
    assert reading.settings is not None
    policy = reading.settings.retention
    assert policy.kept == Kept(completed_s=43_200, failed_s=None, cancelled_s=limits.KEPT_CANCELLED_S)
    assert policy.by_type == {"mail.send": {JobStatus.COMPLETED: 90}}
    shown = {value.name: value.shown for value in reading.values}
    assert (shown["retention_completed"], shown["retention_failed"]) == ("12h", "never")
    assert shown["retention_cancelled"] == "7d"
    assert shown["retention_types"] == "mail.send:completed=90s"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[retention]\ncompleted = "59s"', "must be at least 1m"),
        ('[retention]\ncompleted = "0s"', "must be at least 1m"),
        ('[retention]\ncompleted = "3661d"', "must be at most 3660d"),
        ('[retention]\ncompleted = "1.5h"', "must be a whole number of s, m, h, d or w"),
        ('[retention]\ncompleted = "forever"', "must be a whole number of s, m, h, d or w"),
        ("[retention]\ncompleted = 7", "must be a whole number of s, m, h, d or w"),
        ('[retention]\npending = "1h"', "'retention_pending' in config.toml is not a setting"),
        ('[retention.types.mail]\nexecuting = "1h"', "only final jobs are pruned"),
        ('[retention.types."no type!"]\nfailed = "1h"', "must name job types"),
        ('[retention.types.mail]\nfailed = "1s"', "has mail:failed, which must be at least 1m"),
        ('[retention.types.mail.send]\nfailed = "1h"', "only final jobs are pruned"),
        ('[retention]\ntypes = "mail=1h"', "must be written type:status=duration"),
        ('[retention]\ntypes = "mail:failed=1h,mail:failed=2h"', "names mail:failed twice"),
        ("[retention]\ntypes = 7", "must be a table for each type"),
        ("retention = 7", "must be a table: [retention]"),
        ('retention_failed = "1h"\n[retention]\nfailed = "2h"', "is set twice"),
    ],
)
def test_a_retention_that_makes_no_sense_is_refused_with_the_reason(tmp_path: Path, text: str, why: str) -> None:
    write(tmp_path, text)

    found = problems(tmp_path)

    assert len(found) == 1
    assert why in found[0]


@pytest.mark.parametrize("count", [limits.KEPT_TYPES_MAX, limits.KEPT_TYPES_MAX + 1])
def test_so_many_types_and_not_one_more_have_a_retention_of_their_own(tmp_path: Path, count: int) -> None:
    text = ",".join(f"t{number}:failed=1h" for number in range(count))

    found = problems(tmp_path, ODD_RETENTION_TYPES=text)

    assert bool(found) == (count > limits.KEPT_TYPES_MAX)
