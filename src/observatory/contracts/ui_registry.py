"""The user interfaces that the launchers of the TUI and the web page offer."""

from pathlib import Path
from typing import Final

import msgspec

from observatory.contracts.catalog import folder
from observatory.contracts.validate_file import read_document
from observatory.contracts.validation import validate
from observatory.contracts.violation import describe
from observatory.contracts.wire import UiEntry, convert
from observatory.core.errors import Refused

FILE_NAME: Final = "ui-registry.json"


class RegistryWarning(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why the built-in entries are shown. Surfaces show it beside them."""

    problem: str
    remedy: str


class UiRegistry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What the launchers offer, in this order."""

    entries: tuple[UiEntry, ...]
    warning: RegistryWarning | None = None
    """None when the entries come from the file."""


def ui_registry(path: Path | None = None) -> UiRegistry:
    """
    The registry as it stands in its file now; with a warning the built-in one when the file cannot be used.

    Args:
        path: None means the file among the contracts.
    """
    path = path or folder() / FILE_NAME
    try:
        document = read_document(path)
        if faults := validate("ui-registry", document):
            return _built_in(f"{path} is not a UI registry: {describe(faults)}")
    except Refused as error:
        return _built_in(f"{path} is not a UI registry: {error}")
    entries = convert(document["entries"], tuple[UiEntry, ...])
    if repeated := _repeated(entries):
        return _built_in(f"{path} has two entries with the {repeated}")
    return UiRegistry(entries=entries)


def _repeated(entries: tuple[UiEntry, ...]) -> str | None:
    """The first id or port that two of *entries* share."""
    seen: set[str] = set()
    for entry in entries:
        for label in (f"id {entry.id}", f"port {entry.port}"):
            if label in seen:
                return label
            seen.add(label)
    return None


def _built_in(problem: str) -> UiRegistry:
    remedy = f"Restore {FILE_NAME}, or install task-observatory again; until then the built-in entries are shown."
    return UiRegistry(entries=BUILT_IN, warning=RegistryWarning(problem=problem, remedy=remedy))


_EVERYWHERE: Final = ("embedded", "compose", "kind")
_ENGINES: Final = ("compose", "kind")

BUILT_IN: Final = (
    UiEntry(
        id="web-dashboard",
        name="Web dashboard",
        description="Jobs, events, queues and alerts, live",
        port=8081,
        path="/",
        modes=_EVERYWHERE,
    ),
    UiEntry(
        id="gateway-docs",
        name="Gateway API",
        description="Reference of the API that accepts and controls jobs",
        port=3000,
        path="/docs",
        modes=_EVERYWHERE,
    ),
    UiEntry(
        id="read-model-docs",
        name="Read model API",
        description="Reference of the API that answers questions",
        port=8080,
        path="/docs",
        modes=_EVERYWHERE,
    ),
    UiEntry(
        id="rabbitmq",
        name="RabbitMQ",
        description="Queues, exchanges and consumers of the broker",
        port=15672,
        path="/",
        modes=_ENGINES,
        sign_in="The broker's user and password from your environment file or secret",
    ),
    UiEntry(
        id="grafana",
        name="Grafana",
        description="Dashboards over the metrics",
        port=3002,
        path="/",
        modes=_ENGINES,
        sign_in="Grafana's user and password from your environment file or secret",
    ),
    UiEntry(
        id="prometheus",
        name="Prometheus",
        description="Metrics, targets and alert rules",
        port=9090,
        path="/",
        modes=_ENGINES,
    ),
    UiEntry(
        id="pgadmin",
        name="pgAdmin",
        description="Tables of the PostgreSQL database",
        port=5050,
        path="/",
        modes=_ENGINES,
        profile="admin",
        sign_in="pgAdmin's address and password from your environment file or secret",
    ),
    UiEntry(
        id="mongo-express",
        name="Mongo Express",
        description="Documents of the MongoDB event log",
        port=8082,
        path="/",
        modes=_ENGINES,
        profile="admin",
        sign_in="Mongo Express's user and password from your environment file or secret",
    ),
    UiEntry(
        id="redis-insight",
        name="RedisInsight",
        description="Keys of the Redis view store",
        port=8001,
        path="/",
        modes=_ENGINES,
        profile="admin",
    ),
)
"""Used when the file is missing or wrong. The same entries as in the file that is delivered."""
