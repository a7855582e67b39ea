"""The stream of events, at the service and at our client."""

STREAMS_MAX = 256
"""Streams open at once at one service: a small part of its connections, so that readers leave room for questions."""

STREAM_RING_EVENTS_MAX = 4_096
"""Newest events kept ready for all streams together; a reader further behind reads the log."""

STREAM_RING_BYTES_MAX = 8 * 1024 * 1024
"""What they take as text: two of the largest batches of the relay."""

STREAM_BACKLOG_MAX = 100_000
"""How many events a reader may be behind and still get them all; beyond that it is told to read the lists anew."""

STREAM_CHUNK_BYTES = 64 * 1024
"""Events that go into one write together. One that is larger goes alone."""

STREAM_READ_EVENTS_MAX = 100
"""Events in one read of the log for one stream; fewer when they are large, so that little is read in vain."""

STREAM_KEEP_ALIVE_S = 15.0
"""The longest silence of a stream."""

STREAM_STALL_S = 30.0
"""How long a reader may take nothing before its stream is ended."""

STREAM_RETRY_S = 2.0
"""How long a reader is told to wait before it connects again."""

STREAM_BYE_S = 0.25
"""How long the last words of a stream may take to be sent; then its connection is cut."""

STREAM_IDLE_S = 45.0
"""How long our client hears nothing before it takes the connection for broken: three keep-alives."""

STREAM_PAUSE_S_MAX = 30.0
"""The longest pause of our client between two connections."""

STREAM_LINE_BYTES_MAX = 2 * 1024 * 1024
"""One line, and one event, that our client takes: more than the largest event."""
