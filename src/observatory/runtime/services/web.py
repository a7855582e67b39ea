"""The web server: the page, which asks the read model from the browser and needs no store."""

from prometheus_client import CollectorRegistry

from observatory.runtime.roles import Role
from observatory.runtime.services.place import Place
from observatory.runtime.services.service import Service
from observatory.web_server.http import create_web_app


def web_service(place: Place) -> Service:
    """The web server."""
    app = create_web_app(
        edge=place.edge(Role.WEB),
        registry=CollectorRegistry(),
        checks=[],
        clock=place.sources.clock,
        ids=place.sources.ids,
    )
    return Service(role=Role.WEB, app=app)
