"""The gateway: every write."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from observatory.edge.health import Check
from observatory.gateway.bulk import Bulk
from observatory.gateway.dead_letters import DeadLetters
from observatory.gateway.gateway import Gateway
from observatory.gateway.http import create_gateway_app
from observatory.gateway.queue_control import QueueControl
from observatory.gateway.rebuilding import Rebuilding
from observatory.gateway.schedules import ScheduleGateway
from observatory.runtime.ports import Ports
from observatory.runtime.roles import Role
from observatory.runtime.services.place import Place
from observatory.runtime.services.service import Service


@dataclass(frozen=True, kw_only=True)
class GatewayService(Service):
    """With the gateway itself, for who submits without HTTP."""

    gateway: Gateway


def gateway_service(place: Place, ports: Ports) -> GatewayService:
    """The gateway over *ports*."""
    clock, ids = place.sources.clock, place.sources.ids
    store = ports.store_of(Role.GATEWAY)
    gateway = Gateway(store, ports.queries, ports.bus, clock=clock, ids=ids)
    checks = [Check("job_store", ports.check)]
    app = create_gateway_app(
        gateway,
        ScheduleGateway(ports.schedules_of(Role.GATEWAY), gateway.types, clock=clock),
        rebuilding=Rebuilding(views=ports.views, log=ports.log),
        queue_control=QueueControl(ports.queues, ports.bus),
        bulk=Bulk(store, ports.selections, ports.bus, ids=ids),
        dead_letters=DeadLetters(gateway, ports.selections, clock=clock),
        edge=place.edge(Role.GATEWAY),
        registry=CollectorRegistry(),
        checks=checks,
        clock=clock,
        ids=ids,
    )
    return GatewayService(role=Role.GATEWAY, gateway=gateway, app=app, checks=checks)
