"""What `doctor` examines, gathered from the settings and the runtime."""

import os
import sys
from pathlib import Path

from observatory.client.data_folder import data_dir_of
from observatory.core import limits
from observatory.platform.doctor.subject import Build, Port, Subject
from observatory.runtime.application_probe import types_of_app
from observatory.runtime.build_info import build_info, is_in_checkout
from observatory.runtime.data_folder import DataFolder
from observatory.runtime.event_loop import event_loop_called
from observatory.runtime.settings import Settings, read
from observatory.runtime.sources import SystemClock


def subject_of(data_dir: Path | None, app: str | None) -> Subject:
    """
    This installation, with *data_dir* and *app* as flags. Settings that cannot be used are a finding.

    Raises:
        BadSettings: The data folder lies in the home folder of a user who has none.
    """
    reading = read({"data_dir": data_dir, "app": app}, os.environ)
    settings = reading.settings
    return Subject(
        build=_build(),
        data_dir=data_dir_of(data_dir, os.environ),
        data_dir_origin=next(value.origin for value in reading.values if value.name == "data_dir"),
        problems=reading.problems,
        host=settings.host if settings else Settings.host,
        ports=_ports(settings) if settings else None,
        app=settings.app if settings else None,
        environ=os.environ,
        stdout=sys.stdout,
        clock=SystemClock(),
        is_held=lambda path: DataFolder(path).is_held(),
        schema_of=_schema_of,
        types_of=lambda spec: types_of_app(spec, s_max=limits.DOCTOR_IMPORT_S_MAX),
    )


def _build() -> Build:
    build = build_info()
    return Build(
        version=build.version,
        commit=build.commit,
        built_at=build.built_at,
        python=build.python,
        is_checkout=is_in_checkout(),
        event_loop=event_loop_called(),
    )


def _ports(settings: Settings) -> tuple[Port, ...]:
    return (
        Port(service="gateway", flag="--gateway-port", number=settings.gateway_port),
        Port(service="read-model", flag="--read-model-port", number=settings.read_model_port),
        Port(service="web", flag="--web-port", number=settings.web_port),
    )


def _schema_of(data_dir: Path) -> tuple[int, int] | None:
    # The wiring loads every library: one that is missing is the finding of one check and ends no other.
    from observatory.runtime.keeping import schema_of

    return schema_of(data_dir)
