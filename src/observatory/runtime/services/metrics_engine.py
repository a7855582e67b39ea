"""The metrics engine: folds every event into the counters."""

from observatory.core.folds import STATS_VIEW
from observatory.edge.health import Check
from observatory.metrics_engine.engine import MetricsEngine
from observatory.runtime.ports import Ports
from observatory.runtime.roles import Role
from observatory.runtime.services.place import Place
from observatory.runtime.services.service import Service


def metrics_engine_service(place: Place, ports: Ports) -> Service:
    """The metrics engine over *ports*. Of several beside each other each saves in turn, and none counts twice."""
    engine = MetricsEngine(
        bus=ports.bus,
        log=ports.log,
        views=ports.views,
        pruning=ports.pruning,
        ids=place.sources.ids,
        clock=place.sources.clock,
    )
    checks = [
        Check("job_store", ports.check),
        Check("event_log", ports.log.head),
        Check("view_store", lambda: ports.views.load(STATS_VIEW)),
    ]
    return Service(role=Role.METRICS_ENGINE, loops=[engine], checks=checks, close=engine.close)
