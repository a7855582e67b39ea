"""HTTP services."""

TARGET_BYTES_MAX = 8 * 1024
"""Path and query of one request."""

HEADERS_BYTES_MAX = 16 * 1024
"""All header names and values of one request."""

BATCH_BODY_BYTES_MAX = 8 * 1024 * 1024
"""The body of one batch submit: a thousand jobs of 8 KiB each."""

HEAD_BYTES_MAX = 32 * 1024
"""What the server buffers of a head before it gives up; above the bounds that are answered with a reason."""

HEAD_S_MAX = 10.0
"""How long the head of a request may take to arrive, from the connection or from its first byte."""

BODY_READ_S_MAX = 10.0
"""How long a client may take to send a body: a slow one holds memory and a connection."""

DISCARD_BYTES_MAX = 16 * 1024 * 1024
"""Of a body that is too long, read and thrown away so that its sender, who may only listen afterwards, hears why."""

DISCARD_S_MAX = 2.0

CONNECTIONS_MAX = 2_000
"""Connections of one service; a request on one more is answered with 503 by the server itself."""

CONNECTIONS_WAITING_MAX = 1_024
"""Connections that the kernel holds until the server takes them."""

KEEP_ALIVE_S = 75
"""How long a connection may be idle between two requests: longer than most clients keep theirs."""

REQUEST_GRACE_S = 2
"""How long open requests may go on after the stop."""

READY_CHECK_S_MAX = 1.5
"""
How long one dependency may take to answer a readiness check: who asks again and again hears within two seconds that one
stands still.
"""

TYPES_CACHE_S = 2.0
"""How old the gateway's knowledge of the announced types may be."""

RETRY_AFTER_S = 2
"""What a client is told to wait when a store did not answer."""
