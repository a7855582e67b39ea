import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from observatory.platform.doctor import ports
from observatory.platform.doctor.listeners import listener_of, why_not_free
from observatory.platform.doctor.subject import Port, service_at
from tests.unit.platform.conftest import Make


@pytest.fixture
def taken():
    """A port on which this process listens and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def answered():
    """Serves one health page after another; gives the port and a list whose first item is the page."""
    page = [b"{}"]

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page[0])

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1], page
        server.shutdown()
        thread.join()


def three(first):
    return (
        Port(service="gateway", flag="--gateway-port", number=first),
        Port(service="read-model", flag="--read-model-port", number=0),
        Port(service="web", flag="--web-port", number=0),
    )


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_a_free_port_is_free_and_free_afterwards(subject_with: Make):
    port = free_port()

    found = ports.look_at_port("gateway", subject_with(ports=three(port)))

    assert (found.level, found.detail) == ("ok", f"{port} is free")
    assert why_not_free("127.0.0.1", port) is None


def test_zero_is_always_free(subject_with: Make):
    assert ports.look_at_port("web", subject_with()).level == "ok"


def test_a_taken_port_names_the_process_and_offers_free_ones(subject_with: Make, taken: int):
    found = ports.look_at_port("gateway", subject_with(ports=three(taken)))

    assert found.level == "fail"
    assert found.detail.startswith(f"{taken} is taken by another program")
    if Path("/proc/net/tcp").exists():
        assert f"process {os.getpid()} (" in found.detail
    assert found.remedy.startswith("odd-dashboard up --gateway-port 0")
    block = [int(word) for word in found.remedy.split() if word.isdigit() and word != "0"]
    assert block == [block[0], block[0] + 1, block[0] + 2]
    assert all(why_not_free("127.0.0.1", port) is None for port in block)


def test_another_observatory_on_the_port_is_recognised(subject_with: Make, answered):
    port, page = answered
    page[0] = b'{"service": "web", "status": "live"}'

    found = ports.look_at_port("gateway", subject_with(ports=three(port)))

    assert f"{port} is taken by another observatory" in found.detail


@pytest.mark.parametrize("body", [b"", b"[]", b'{"service": 3}', b"\xff", b'{"service": "gateway"' + b" " * 100_000])
def test_a_program_that_answers_something_else_is_not_one_of_ours(answered, body):
    port, page = answered
    page[0] = body

    assert service_at(f"http://127.0.0.1:{port}") is None


def test_where_nobody_listens_or_answers_there_is_no_service(taken: int):
    assert service_at(f"http://127.0.0.1:{free_port()}") is None
    assert service_at(f"http://127.0.0.1:{taken}") is None
    assert service_at("nonsense") is None
    assert service_at("http://127.0.0.1:99999") is None


def test_an_address_that_is_not_of_this_machine_is_a_failure(subject_with: Make):
    found = ports.look_at_port("gateway", subject_with(ports=three(free_port()), host="192.0.2.1"))

    assert (found.level, found.remedy) == ("fail", "export ODD_HOST=127.0.0.1")


def test_settings_that_cannot_be_used_leave_the_ports_out(subject_with: Make):
    assert ports.look_at_port("gateway", subject_with(ports=None)).level == "skip"


def test_a_block_begins_behind_a_port_that_is_taken(monkeypatch):
    monkeypatch.setattr(ports, "why_not_free", lambda host, port: OSError() if port == 13_001 else None)

    assert ports.free_block("127.0.0.1", 3) == 13_010
    assert ports.free_block("127.0.0.1", 1) == 13_000


def test_where_no_block_is_free_none_is_offered(subject_with: Make, monkeypatch, taken: int):
    monkeypatch.setattr(ports, "free_block", lambda *_: None)

    found = ports.look_at_port("gateway", subject_with(ports=three(taken)))

    assert found.remedy == "odd-dashboard up --gateway-port 0"


def test_the_tables_of_the_kernel_are_read_and_odd_lines_are_left_out(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:0BB8 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 77 1\n"
        "   1: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 78 1\n"
        "garbage\n",
        encoding="utf-8",
    )
    (tmp_path / "42" / "fd").mkdir(parents=True)
    (tmp_path / "42" / "fd" / "3").symlink_to("socket:[77]")
    (tmp_path / "43" / "fd").mkdir(parents=True)
    (tmp_path / "43" / "fd" / "3").symlink_to("socket:[78]")
    (tmp_path / "43" / "comm").write_text("node\n", encoding="utf-8")

    assert listener_of(3000, tmp_path) == "process 43 (node)"
    assert listener_of(3001, tmp_path) is None
    assert listener_of(3000, tmp_path / "missing") is None
