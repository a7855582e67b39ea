"""A proxy that takes a request to the service and loses the answer, as a network does."""

import socket
import threading
from typing import Self


class CuttingProxy:
    """
    Forwards to *port* on this machine, one request per connection.

    Args:
        cuts: So many answers are read from the service and then thrown away with the connection.
    """

    def __init__(self, port: int, *, cuts: int) -> None:
        self._port = port
        self.cuts_left = cuts
        self.requests: list[bytes] = []
        """The first line of each request that reached the service."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, socket.create_connection(("127.0.0.1", self._port)) as service:
                self._exchange(client, service)

    def _exchange(self, client: socket.socket, service: socket.socket) -> None:
        request = _message(client)
        if not request:
            return
        self.requests.append(request.partition(b"\r\n")[0])
        service.sendall(request)
        answer = _message(service)
        if self.cuts_left:
            self.cuts_left -= 1
            return
        client.sendall(answer.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))


def _message(stream: socket.socket) -> bytes:
    """Head and body of one HTTP message whose length is told."""
    message = b""
    while b"\r\n\r\n" not in message:
        piece = stream.recv(65536)
        if not piece:
            return message
        message += piece
    head, _, body = message.partition(b"\r\n\r\n")
    told = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(told[0]) if told else 0
    while len(body) < length:
        body += stream.recv(65536)
    return head + b"\r\n\r\n" + body
