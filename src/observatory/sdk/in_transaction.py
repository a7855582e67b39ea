"""
Submitting in the caller's own transaction. What that takes of the services is loaded by the first such call: an
application that submits over HTTP needs none of it.
"""

from typing import TYPE_CHECKING, Any

from observatory.core.handler import Handler, type_info_of
from observatory.sdk.errors import WrongPlace
from observatory.sdk.requests import JobRequest

if TYPE_CHECKING:
    from observatory.sdk.async_client import AsyncClient, AsyncJobHandle
    from observatory.sdk.client import Client, JobHandle


def submit_in(client: "Client", connection: object, handler: Handler, request: JobRequest) -> "JobHandle":
    """Have the job of *request* accepted with the commit of *connection*. Errors: as `Observatory.submit_in` says."""
    from observatory.sdk.client import JobHandle

    job = _ways(client).submit_blocking(connection, request.document, type_info_of(handler))
    return JobHandle(client, job.id, job.type)


async def submit_in_awaited(
    client: "AsyncClient", connection: object, handler: Handler, request: JobRequest
) -> "AsyncJobHandle":
    """As `submit_in`, for connections whose calls are awaited."""
    from observatory.sdk.async_client import AsyncJobHandle

    job = await _ways(client).submit_awaiting(connection, request.document, type_info_of(handler))
    return AsyncJobHandle(client, job.id, job.type)


def _ways(client: "Client | AsyncClient") -> Any:
    """
    Raises:
        WrongPlace: In test mode, whose jobs are in no database that the caller could have a connection to.
        ModuleNotFoundError: The driver is not installed.
    """
    from observatory.sdk.connection import Network

    if not isinstance(client.place, Network):
        raise WrongPlace("in test mode no job can be submitted in a transaction: its jobs are not in your database")
    try:
        from observatory.runtime.ports import in_transaction
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        remedy = "submit_in needs the driver for PostgreSQL: pip install 'task-observatory[postgres]'"
        raise ModuleNotFoundError(remedy, name=error.name) from error
    return in_transaction
