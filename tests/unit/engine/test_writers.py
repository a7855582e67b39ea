"""Do both writers keep the same promises?"""

import threading
import time

import pytest

from observatory.engine.writers import InlineWriter, Writer, WriterThread


@pytest.fixture(params=[WriterThread, InlineWriter])
def writer(request):
    writer: Writer = request.param()
    yield writer
    writer.end()


def test_calls_run_one_at_a_time_in_their_order_and_all_before_the_end(writer):
    seen: list[int] = []
    running = threading.Lock()

    def call(number):
        assert running.acquire(blocking=False)
        time.sleep(0.001)
        seen.append(number)
        running.release()

    for number in range(50):
        writer.hand(lambda number=number: call(number))
    writer.end()

    assert seen == list(range(50))


def test_nothing_is_taken_after_the_end(writer):
    writer.hand(lambda: None)
    writer.end()
    writer.end()

    with pytest.raises(RuntimeError, match="ended"):
        writer.hand(lambda: None)


def test_one_that_was_never_used_ends(writer):
    writer.end()


def test_a_thread_that_could_not_start_is_started_by_the_next_call(monkeypatch):
    writer, ran = WriterThread(), threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(RuntimeError, match="can't start"):
            writer.hand(ran.set)

    writer.hand(ran.set)
    writer.end()

    assert ran.is_set()


def no_thread(self):
    raise RuntimeError("can't start new thread")
