"""Are identities what RFC 9562 calls UUID version 7, and never the same?"""

import threading
import time
from uuid import RFC_4122, UUID

from observatory.runtime.sources import SystemIds


def test_an_id_is_a_uuid_7_of_this_millisecond():
    ids = SystemIds()
    for _ in range(1_000):
        before_ms = time.time_ns() // 1_000_000
        text = ids.new_id()
        after_ms = time.time_ns() // 1_000_000

        uuid = UUID(text)
        assert (str(uuid), uuid.version, uuid.variant) == (text, 7, RFC_4122)
        assert before_ms <= uuid.int >> 80 <= after_ms


def test_threads_get_different_ids_each_with_its_own_time():
    ids, found = SystemIds(), list[str]()

    def draw():
        found.extend(ids.new_id() for _ in range(5_000))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    began_ms = time.time_ns() // 1_000_000
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended_ms = time.time_ns() // 1_000_000

    assert len(set(found)) == len(found) == 20_000
    assert all(began_ms <= UUID(one).int >> 80 <= ended_ms for one in found)


def test_the_bits_of_chance_are_all_used():
    ids = SystemIds()
    drawn = [UUID(ids.new_id()).int for _ in range(2_000)]
    chance = 2**80 - 1
    fixed = 0xF << 76 | 0b11 << 62

    ever_set = ever_clear = 0
    for one in drawn:
        ever_set |= one & chance
        ever_clear |= ~one & chance
    assert ever_set & ever_clear == chance & ~fixed
