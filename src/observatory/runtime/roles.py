"""The parts that a process can play: all of them at once, or one."""

from enum import StrEnum


class Role(StrEnum):
    """A service, by the name under which it is started, in metrics and in its events."""

    GATEWAY = "gateway"
    PROCESSOR = "processor"
    METRICS_ENGINE = "metrics-engine"
    READ_MODEL = "read-model"
    WEB = "web"
    MAINTENANCE = "maintenance"
