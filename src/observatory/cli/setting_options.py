"""Options that set a setting for one run. One that is not given is None: environment and config.toml decide."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from cyclopts import Parameter

from observatory.cli.options import Folder


@Parameter(name="*")
@dataclass(frozen=True)
class Addresses:
    """Where the services with an address listen."""

    host: str | None = None
    """Address to bind. Default: 127.0.0.1."""
    gateway_port: int | None = None
    """Port of the gateway; 0 takes a free one. Default: 3000."""
    read_model_port: int | None = None
    """Port of the read model; 0 takes a free one. Default: 8080."""
    web_port: int | None = None
    """Port of the dashboard; 0 takes a free one. Default: 8081."""


@Parameter(name="*")
@dataclass(frozen=True)
class Health:
    """Where a service without an address of its own is asked for its health."""

    health_port: int | None = None
    """Where a processor, metrics engine or maintenance is asked for its health; 0 takes a free one. Default: 0."""


@Parameter(name="*")
@dataclass(frozen=True)
class Work:
    """What a processor runs."""

    slots: int | None = None
    """How many attempts a processor runs at the same time. Default: 4."""
    prefetch: int | None = None
    """How many jobs a processor claims beyond its free slots and lets wait. Default: 0."""
    app: str | None = None
    """Application whose handlers run, as module:attribute. Default: the built-in types alone."""


@Parameter(name="*")
@dataclass(frozen=True)
class Process:
    """What every process needs."""

    postgres_url: str | None = None
    """Database that processes share. Others can read a flag: where it holds a password, set POSTGRES_URL instead."""
    log: str | None = None
    """Least level that is logged: debug, info, warning, error. Default: info."""


@Parameter(name="*")
@dataclass(frozen=True)
class Replicas:
    """How many processes play a role."""

    gateways: int | None = None
    """With PostgreSQL: how many gateways run, each on the next free port. Default: 1."""
    processors: int | None = None
    """With PostgreSQL: how many processors run, each with as many slots. Default: 1."""


@Parameter(name="*")
@dataclass(frozen=True)
class Retention:
    """How long final jobs are kept."""

    retention_completed: str | None = None
    """How long COMPLETED jobs are kept: 12h, 7d, never. Default: 7d."""
    retention_failed: str | None = None
    """How long FAILED jobs are kept. Default: 30d."""
    retention_cancelled: str | None = None
    """How long CANCELLED jobs are kept. Default: 7d."""
    retention_types: str | None = None
    """What differs for some types, as type:status=duration, with commas between."""


SettingOptions = Addresses | Health | Work | Process | Replicas | Retention

ADDRESSES = Addresses()
HEALTH = Health()
WORK = Work()
PROCESS = Process()
REPLICAS = Replicas()
RETENTION = Retention()


def flags_of(folder: Folder, *options: SettingOptions) -> dict[str, Any]:
    """What was given, by the names of settings."""
    flags: dict[str, Any] = {"data_dir": folder.data_dir}
    for group in options:
        flags |= dataclasses.asdict(group)
    return flags
