"""Maintenance: the relay, and everything that the clock alone makes due."""

from observatory.edge.health import Check
from observatory.maintenance.due_jobs import DueJobs
from observatory.maintenance.pruner import Pruner
from observatory.maintenance.pruning_watch import PruningWatch
from observatory.maintenance.relay import Relay
from observatory.maintenance.rescuer import Rescuer
from observatory.maintenance.scheduler import Scheduler
from observatory.runtime.ports import Ports
from observatory.runtime.roles import Role
from observatory.runtime.services.place import Place
from observatory.runtime.services.service import Service
from observatory.runtime.supervisor import Loop


def maintenance_service(place: Place, ports: Ports) -> Service:
    """Maintenance over *ports*. Several beside each other do the work once, or say it twice without harm."""
    watch = PruningWatch(pruning=ports.pruning, policy=place.settings.retention, clock=place.sources.clock)
    return Service(
        role=Role.MAINTENANCE,
        loops=[*_workers(place, ports), watch],
        checks=[Check("job_store", ports.check), Check("pruning", watch.check, only_warns=True)],
    )


def _workers(place: Place, ports: Ports) -> list[Loop]:
    store, bus = ports.store_of(Role.MAINTENANCE), ports.bus
    clock, ids, randomness = place.sources.clock, place.sources.ids, place.sources.randomness
    schedules = ports.schedules_of(Role.MAINTENANCE)
    return [
        Relay(outbox=ports.outbox, bus=bus, clock=clock, announce=ports.announce),
        DueJobs(store=store, bus=bus),
        Rescuer(store=store, queries=ports.queries, bus=bus, clock=clock, randomness=randomness),
        Scheduler(schedules=schedules, queries=ports.queries, bus=bus, clock=clock, ids=ids),
        Pruner(pruning=ports.pruning, outbox=ports.outbox, views=ports.views, policy=place.settings.retention),
    ]
