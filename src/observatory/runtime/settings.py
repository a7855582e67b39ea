"""
The settings of a process: read once, checked as a whole, passed on as values.

The first source that names a setting decides: flag, environment, `$ODD_DATA_DIR/config.toml`, default.
A file names a setting in lower case without its prefix (`gateway_port = 3100`); those of retention
and of PostgreSQL may stand in a table of that name. An environment
variable that is empty counts as not set. Names that are not known are refused, because a mistyped
setting that is silently ignored is found only in production.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from observatory.client.data_folder import GATEWAY_VARIABLE, TOKEN_VARIABLE, data_dir_of
from observatory.core import limits
from observatory.core.errors import BadSettings
from observatory.core.job import JobStatus
from observatory.core.retention import Kept, RetentionPolicy, duration_text
from observatory.runtime import settings_urls as urls
from observatory.runtime import settings_values as values

FILE_NAME = "config.toml"
PREFIX = "ODD_"

Origin = Literal["flag", "environment", "file", "default"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a process was told. A service is given the values it needs, never the whole."""

    data_dir: Path
    """Absolute. Not created by reading settings."""
    host: str = "127.0.0.1"
    """Address that all services bind; without brackets."""
    gateway_port: int = 3000
    """0 means a free one; as the two below."""
    read_model_port: int = 8080
    web_port: int = 8081
    slots: int = limits.SLOTS_DEFAULT
    """Attempts that run at the same time."""
    prefetch: int = 0
    """Jobs that a processor claims beyond its free slots. They wait at it, where no other processor can take them."""
    app: str | None = None
    """`module:attribute` of the application whose handlers run; None means the built-in ones alone."""
    log: str = "info"
    """The least level that is logged."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, with or without port, that a request's Host may have besides the loopback names and `host`."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of web pages, besides the dashboard's own, that may call the services."""
    health_port: int = 0
    """Where a role that has no address of its own is asked for its health; 0 means a free one."""
    gateways: int = 1
    """Processes of this role that `up` keeps; more than one only with PostgreSQL. As the one below."""
    processors: int = 1
    postgres_url: str | None = None
    """The database of all processes; may hold a password. None means embedded: one process and one SQLite file."""
    postgres_statement_cache: int = limits.POSTGRES_STATEMENT_CACHE_DEFAULT
    """Prepared statements of each connection; 0 behind a pooler that works by transaction."""
    postgres_connections_max: int = limits.POSTGRES_CONNECTIONS_DEFAULT
    """Connections of one process."""
    reads_need_token: bool = False
    retention_completed: int | None = limits.KEPT_COMPLETED_S
    """Seconds that a job is kept after it became final; None for ever. As the two below."""
    retention_failed: int | None = limits.KEPT_FAILED_S
    retention_cancelled: int | None = limits.KEPT_CANCELLED_S
    retention_types: Mapping[str, Mapping[JobStatus, int | None]] = {}
    """What differs for some types."""

    @property
    def retention(self) -> RetentionPolicy:
        kept = Kept(
            completed_s=self.retention_completed,
            failed_s=self.retention_failed,
            cancelled_s=self.retention_cancelled,
        )
        return RetentionPolicy(kept=kept, by_type=self.retention_types)

    def __repr__(self) -> str:
        """As `msgspec` writes it, without passwords: a traceback or a log line may show it."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        given["postgres_url"] = None if self.postgres_url is None else urls.shown_url(self.postgres_url)
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in given.items())})"


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as it stands, for `config show`."""

    name: str
    variable: str
    shown: str
    """For people: passwords masked; empty when not set."""
    origin: Origin


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found, right or wrong."""

    values: tuple[Value, ...]
    problems: tuple[str, ...]
    """One sentence each; empty when the settings can be used."""
    settings: Settings | None
    """None when there are problems."""


class _Setting(msgspec.Struct, frozen=True):
    name: str
    parse: values.Parse
    show: Callable[[Any], str] = values.shown
    """Its default, as a person would write it."""
    is_url: bool = False
    """True for a URL of another program, whose variable every tool knows by this name; it may hold a password."""

    @property
    def variable(self) -> str:
        return self.name.upper() if self.is_url else PREFIX + self.name.upper()


_DATA_DIR = _Setting("data_dir", values.folder)
SETTINGS: tuple[_Setting, ...] = (
    _DATA_DIR,
    _Setting("host", values.host),
    _Setting("gateway_port", values.port),
    _Setting("read_model_port", values.port),
    _Setting("web_port", values.port),
    _Setting("slots", values.slots),
    _Setting("prefetch", values.prefetch),
    _Setting("app", values.app),
    _Setting("log", values.log_level),
    _Setting("allowed_hosts", values.host_list),
    _Setting("allowed_origins", values.origin_list),
    _Setting("reads_need_token", values.switch),
    _Setting("retention_completed", values.kept, duration_text),
    _Setting("retention_failed", values.kept, duration_text),
    _Setting("retention_cancelled", values.kept, duration_text),
    _Setting("retention_types", values.kept_by_type),
    _Setting("health_port", values.port),
    _Setting("gateways", values.replicas),
    _Setting("processors", values.replicas),
    _Setting("postgres_url", urls.postgres_url, is_url=True),
    _Setting("postgres_statement_cache", urls.statement_cache),
    _Setting("postgres_connections_max", urls.connections),
    _Setting("rabbitmq_url", urls.no_driver, is_url=True),
    _Setting("redis_url", urls.no_driver, is_url=True),
    _Setting("mongo_url", urls.no_driver, is_url=True),
    _Setting("prometheus_url", urls.not_asked, is_url=True),
    _Setting("alertmanager_url", urls.not_asked, is_url=True),
)
TABLES = ("retention", "postgres")
"""Tables of the file: `completed` in `[retention]` is the setting `retention_completed`."""
VARIABLES: tuple[str, ...] = tuple(setting.variable for setting in SETTINGS)
_READ_BY_CLIENTS = (TOKEN_VARIABLE, GATEWAY_VARIABLE)


def load(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """
    The settings of this process.

    Args:
        flags: Field of `Settings` to value; None means that the flag was not given.

    Raises:
        BadSettings: With every problem, one per line.
    """
    reading = read(flags, environ)
    if reading.settings is None:
        raise BadSettings("\n".join(reading.problems), "what is set, and where:  odd-dashboard config show --origin")
    return reading.settings


def read(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Reading:
    """As `load`, without refusing: every value with its origin, and every problem."""
    data_dir = data_dir_of(flags.get("data_dir"), environ)
    file, problems = _read_file(data_dir / FILE_NAME)
    problems += _unknown_variables(environ)
    found: dict[str, Any] = {}
    shown: list[Value] = []
    for setting in SETTINGS:
        raw, origin = _first_source(setting, flags, environ, file)
        if origin != "default":
            try:
                found[setting.name] = setting.parse(raw)
            except ValueError as error:
                problems.append(f"{_named(setting, origin)} {error}")
        shown.append(_shown(setting, raw, origin))
    found["data_dir"] = data_dir
    problems += _contradictions(Settings(**{name: found[name] for name in found if name in _FIELDS}))
    settings = None if problems else Settings(**found)
    return Reading(values=_complete(shown, data_dir), problems=tuple(problems), settings=settings)


_FIELDS = frozenset(Settings.__struct_fields__)


def _first_source(
    setting: _Setting, flags: Mapping[str, Any], environ: Mapping[str, str], file: Mapping[str, Any]
) -> tuple[Any, Origin]:
    if flags.get(setting.name) is not None:
        return flags[setting.name], "flag"
    if environ.get(setting.variable):
        return environ[setting.variable], "environment"
    if setting.name in file:
        return file[setting.name], "file"
    return None, "default"


def _named(setting: _Setting, origin: Origin) -> str:
    """The setting as the person who set it wrote it."""
    if origin == "flag":
        return "--" + setting.name.replace("_", "-")
    return setting.variable if origin == "environment" else f"{setting.name} in {FILE_NAME}"


def as_environment(flags: Mapping[str, Any]) -> dict[str, str]:
    """What gives another process the same *flags*, each one a word: its variables."""
    return {setting.variable: str(flags[setting.name]) for setting in SETTINGS if flags.get(setting.name) is not None}


def _read_file(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The file's known names, and what is wrong with it. A file that does not exist says nothing."""
    try:
        with path.open("rb") as file:
            content = file.read(limits.CONFIG_FILE_BYTES_MAX + 1)
        if len(content) > limits.CONFIG_FILE_BYTES_MAX:
            return {}, [f"{path} is longer than {limits.CONFIG_FILE_BYTES_MAX} bytes"]
        document = tomllib.loads(content.decode())
    except (FileNotFoundError, NotADirectoryError):
        return {}, []
    except OSError as error:
        return {}, [f"{path} cannot be read: {error.strerror}"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return {}, [f"{path} is not TOML: {error}"]
    except RecursionError:
        return {}, [f"{path} is nested too deeply"]
    names = [setting.name for setting in SETTINGS if setting is not _DATA_DIR]
    document, problems = _without_tables(document)
    problems += [_unknown_key(key, names) for key in document if key not in names]
    return {key: value for key, value in document.items() if key in names}, problems


def _without_tables(document: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """*document* with the members of each known table under their full names, and what is wrong with the tables."""
    flat: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in document.items():
        if key not in TABLES:
            flat[key] = value
        elif not isinstance(value, dict):
            problems.append(f"{key} in {FILE_NAME} must be a table: [{key}]")
    for table in TABLES:
        members = document.get(table)
        for name, value in cast("dict[str, Any]", members if isinstance(members, dict) else {}).items():
            full = f"{table}_{name}"
            if full in flat:
                problems.append(f"{full} in {FILE_NAME} is set twice: also as {name} in [{table}]")
            flat[full] = value
    return flat, problems


def _unknown_key(key: str, names: list[str]) -> str:
    if key == _DATA_DIR.name:
        return f"data_dir in {FILE_NAME} has no effect: the file lies in the data folder; use {_DATA_DIR.variable}"
    return f"{key!r} in {FILE_NAME} is not a setting{_suggestion(key.lower(), names)}"


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    known = {*VARIABLES, *_READ_BY_CLIENTS}
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    return [f"{name} is not a setting{_suggestion(name, [*VARIABLES, *_READ_BY_CLIENTS])}" for name in unknown]


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _contradictions(settings: Settings) -> list[str]:
    """What is wrong only together."""
    problems: list[str] = []
    if not values.is_loopback(settings.host) and not settings.reads_need_token:
        problems.append(
            f"the services may not bind {settings.host}: reads need no token, so everybody who reaches this address "
            f"could read every job; set ODD_READS_NEED_TOKEN=true, or bind 127.0.0.1"
        )
    ports = {
        "gateway": settings.gateway_port,
        "read model": settings.read_model_port,
        "dashboard": settings.web_port,
        "health": settings.health_port,
    }
    for port in sorted({port for port in ports.values() if port}):
        users = [name for name, wanted in ports.items() if wanted == port]
        if len(users) > 1:
            problems.append(f"port {port} is set for the {' and the '.join(users)}; each needs its own, or 0")
    if settings.postgres_url is None:
        problems += [
            f"{name} is {count}, and embedded data has one owner process; set POSTGRES_URL, or leave it at 1"
            for name, count in (("ODD_GATEWAYS", settings.gateways), ("ODD_PROCESSORS", settings.processors))
            if count > 1
        ]
    return problems


def _shown(setting: _Setting, raw: Any, origin: Origin) -> Value:
    show = urls.shown_url if setting.is_url else values.shown
    return Value(name=setting.name, variable=setting.variable, shown=show(raw), origin=origin)


def _complete(shown: list[Value], data_dir: Path) -> tuple[Value, ...]:
    """*shown* with the defaults filled in, and the data folder as the absolute path it stands for."""
    defaults = msgspec.structs.asdict(Settings(data_dir=data_dir))
    return tuple(
        msgspec.structs.replace(value, shown=setting.show(defaults.get(value.name)))
        if value.origin == "default" or value.name == _DATA_DIR.name
        else value
        for setting, value in zip(SETTINGS, shown, strict=True)
    )
