"""Which services make up a process: all of them, or the one of a role. Either way each is built by the same call."""

from dataclasses import dataclass

from observatory.runtime.ports import Ports
from observatory.runtime.roles import Role
from observatory.runtime.services.gateway import GatewayService, gateway_service
from observatory.runtime.services.maintenance import maintenance_service
from observatory.runtime.services.metrics_engine import metrics_engine_service
from observatory.runtime.services.place import Place
from observatory.runtime.services.processor import ProcessorService, processor_service
from observatory.runtime.services.read_model import read_model_service
from observatory.runtime.services.service import Service
from observatory.runtime.services.web import web_service


@dataclass(frozen=True, kw_only=True)
class Services:
    """Every service in one process, wired and not yet running."""

    gateway: GatewayService
    processor: ProcessorService
    maintenance: Service
    metrics_engine: Service
    read_model: Service
    web: Service

    @property
    def all(self) -> tuple[Service, ...]:
        """In the order in which they are closed."""
        return self.processor, self.maintenance, self.metrics_engine, self.read_model, self.gateway, self.web


def all_services(place: Place, ports: Ports) -> Services:
    """Those of an embedded process, whose read model speaks for the health of what has no address."""
    processor = processor_service(place, ports)
    maintenance = maintenance_service(place, ports)
    metrics_engine = metrics_engine_service(place, ports)
    return Services(
        gateway=gateway_service(place, ports),
        processor=processor,
        maintenance=maintenance,
        metrics_engine=metrics_engine,
        read_model=read_model_service(place, ports, beside=[processor, maintenance, metrics_engine]),
        web=web_service(place),
    )


def service_of(role: Role, place: Place, ports: Ports) -> Service:
    """The one of a process that plays *role* alone."""
    match role:
        case Role.GATEWAY:
            return gateway_service(place, ports)
        case Role.PROCESSOR:
            return processor_service(place, ports)
        case Role.METRICS_ENGINE:
            return metrics_engine_service(place, ports)
        case Role.READ_MODEL:
            return read_model_service(place, ports)
        case Role.WEB:
            return web_service(place)
        case Role.MAINTENANCE:
            return maintenance_service(place, ports)
