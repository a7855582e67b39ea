"""Settings and servers at their bounds, and one past them."""

import pytest

from observatory.core import limits
from observatory.runtime.http_server import HttpServer, bind
from observatory.runtime.settings_values import slots


def test_slots_go_from_one_to_the_bound() -> None:
    assert [slots(1), slots(str(limits.SLOTS_MAX))] == [1, limits.SLOTS_MAX]
    for wrong in (0, limits.SLOTS_MAX + 1, str(limits.SLOTS_MAX + 1)):
        with pytest.raises(ValueError, match=f"a number from 1 to {limits.SLOTS_MAX}"):
            slots(wrong)


def test_the_server_is_told_every_bound_of_a_connection() -> None:
    listener = bind("127.0.0.1", 0, purpose="test", setting="none")

    config = HttpServer(None, listener)._server.config

    assert (config.limit_concurrency, config.h11_max_incomplete_event_size, config.timeout_keep_alive) == (
        limits.CONNECTIONS_MAX,
        limits.HEAD_BYTES_MAX,
        limits.KEEP_ALIVE_S,
    )
    assert config.timeout_graceful_shutdown == limits.REQUEST_GRACE_S
    listener.close()
