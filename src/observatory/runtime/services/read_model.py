"""The read model: every question, and the stream."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from observatory.contracts import ui_registry
from observatory.core.folds import STATS_VIEW
from observatory.edge.asgi import AsgiApp
from observatory.edge.health import Check
from observatory.read_model.explaining import Explaining
from observatory.read_model.http import create_read_model_app
from observatory.read_model.live import LiveEvents
from observatory.read_model.read_model import ReadModel
from observatory.read_model.schedules import ScheduleReadModel
from observatory.read_model.stream import Streams
from observatory.runtime.ports import Ports
from observatory.runtime.roles import Role
from observatory.runtime.services.place import Place
from observatory.runtime.services.service import Service
from observatory.runtime.supervisor import Loop


def read_model_service(place: Place, ports: Ports, *, beside: Sequence[Service] = ()) -> Service:
    """
    The read model over *ports*.

    Args:
        beside: Services of the same process that nobody can ask for their health: this one speaks for their loops too.
            Without any, other processes run them.
    """
    live = LiveEvents(bus=ports.bus, log=ports.log)
    streams = Streams(live, ports.log, clock=place.sources.clock)
    dependencies = [
        Check("job_store", ports.check),
        Check("event_log", ports.log.head),
        Check("view_store", lambda: ports.views.load(STATS_VIEW)),
    ]
    loops = [*(loop for service in beside for loop in service.loops), live]
    warnings = [check for service in beside for check in service.checks if check.only_warns]
    return Service(
        role=Role.READ_MODEL,
        loops=[live],
        checks=dependencies,
        app=_app(
            place, ports, streams, [*dependencies, *place.loop_checks(loops), *warnings], loops, is_alone=bool(beside)
        ),
        drain=streams.stop,
        close=live.close,
    )


def _app(
    place: Place, ports: Ports, streams: Streams, checks: Sequence[Check], loops: Sequence[Loop], *, is_alone: bool
) -> AsgiApp:
    clock = place.sources.clock
    read_model = ReadModel(
        ports.queries,
        ports.queues,
        ports.log,
        ports.views,
        ports.pruning,
        policy=place.settings.retention,
        clock=clock,
        source=ports.source,
        uis=ui_registry(),
        attempt_logs=ports.attempt_logs,
    )
    explaining = Explaining(
        ports.queries,
        ports.queues,
        ports.selections,
        ports.schedules_of(Role.READ_MODEL),
        ports.log,
        outbox=ports.outbox,
        loops=place.loop_checks(loops),
        here=place.sources.instance_id,
        is_alone=is_alone,
    )
    return create_read_model_app(
        read_model,
        ScheduleReadModel(ports.schedules_of(Role.READ_MODEL), clock=clock),
        explaining,
        streams=streams,
        edge=place.edge(Role.READ_MODEL),
        registry=CollectorRegistry(),
        checks=checks,
        clock=clock,
        ids=place.sources.ids,
    )
