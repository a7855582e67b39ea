"""Where the other services are, as seen by the one who asks."""

from observatory.edge.settings import EdgeSettings


def links_of(settings: EdgeSettings, *, scheme: str, host: str) -> dict[str, str]:
    """
    The addresses of all services under the name by which this one was reached.

    Args:
        host: The Host header of the request, which passed the door.
    """
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    ports = {"gateway": settings.gateway_port, "readModel": settings.read_model_port, "web": settings.web_port}
    return {service: f"{scheme}://{name}:{port}" for service, port in ports.items()}
