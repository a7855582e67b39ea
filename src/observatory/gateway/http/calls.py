"""What the gateway reads from the headers of a call that submits jobs, and says in those of its answer."""

import re
from typing import Final

from observatory.core import limits
from observatory.core.errors import Refused
from observatory.edge.asgi import Head
from observatory.gateway.submit import CallContext, refuse_reserved
from observatory.job_store.port import Submitted

_KEY: Final = re.compile(rf"[A-Za-z0-9._:/-]{{1,{limits.IDEMPOTENCY_KEY_CHARS_MAX}}}")
_TRACEPARENT: Final = re.compile("[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
TRACED: Final = ("Idempotency-Key", "traceparent")
"""Headers of a call that submits one job."""


def context_of(head: Head) -> CallContext:
    """
    What the headers of a call say about the jobs that it submits.

    Raises:
        Refused: The idempotency key is not one (`bad_idempotency_key`), or not a caller's (`reserved_idempotency_key`).
    """
    key = head.get(b"idempotency-key")
    if key is not None and (_KEY.fullmatch(key) is None or b"idempotency-key" in head.repeated):
        detail = "Idempotency-Key must have 1 to 128 letters, digits, dots, underscores, colons, slashes or hyphens"
        raise Refused(detail, code="bad_idempotency_key")
    if key is not None:
        refuse_reserved(key)
    traceparent = head.get(b"traceparent")
    is_traced = traceparent is not None and _TRACEPARENT.fullmatch(traceparent) is not None
    return CallContext(
        correlation_id=head.correlation_id, idempotency_key=key, traceparent=traceparent if is_traced else None
    )


def accepted(submitted: Submitted, warning: str | None) -> tuple[int, dict[str, str]]:
    headers = {"Location": f"/jobs/{submitted.job.id}"} | warned(warning)
    if submitted.is_replay:
        return 200, headers | {"Idempotency-Replayed": "true"}
    return 201, headers


def warned(warning: str | None) -> dict[str, str]:
    """The header that says *warning*; none when all is well."""
    return {} if warning is None else {"Job-Warning": warning}
