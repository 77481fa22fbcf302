"""Exchanges dicts over a socket, one line of JSON each."""

import contextlib
import errno
import json
import socket
import threading
import time

_LONGEST = 2**20  # Bytes of a line.


class Line:
    """A connection on which each line is a dict in JSON; a context manager."""

    def __init__(self, connection):
        self._connection = connection
        self._read = b""

    @classmethod
    def to(cls, host, port, seconds):
        """Connects to a host within `seconds`, or raises `OSError`."""
        return cls(socket.create_connection((host, port), seconds))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._connection.close()

    def say(self, **message):
        """Sends a dict; a no-op if the connection is closed."""
        with contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def hear(self, seconds):
        """Receives a dict, which is empty if none comes within `seconds`.

        Raises:
            ConnectionError: If the connection is closed, or the other side
                does not send a dict.
        """
        end = time.monotonic() + seconds
        while b"\n" not in self._read:
            left = end - time.monotonic()
            if left <= 0:
                return {}
            self._connection.settimeout(left)
            try:
                piece = self._connection.recv(2**16)
            except TimeoutError:
                return {}
            self._read += piece
            if not piece or len(self._read) > _LONGEST:
                raise ConnectionError("the connection ended")
        line, self._read = self._read.split(b"\n", 1)
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise ConnectionError(
                "another program answers there, or a run under way"
            )
        return message


@contextlib.contextmanager
def door(port, welcome):
    """Listens on a port within the block, and calls `welcome` with the `Line`
    of each connection in a thread of its own.

    Raises:
        OSError: If another process listens on the port.
    """
    server = _server(port)
    server.settimeout(0.1)
    closed = threading.Event()

    def serve():
        while not closed.is_set():
            with contextlib.suppress(OSError):  # `accept` timed out.
                connection, _ = server.accept()
                start(talk, connection)

    def talk(connection):
        with Line(connection) as line, contextlib.suppress(OSError):
            welcome(line)

    serving = start(serve)
    try:
        yield
    finally:
        # The port is not free while a thread still waits in `accept`.
        closed.set()
        serving.join()
        server.close()


def _server(port):
    if socket.has_dualstack_ipv6():
        six = {"family": socket.AF_INET6, "dualstack_ipv6": True}
        try:
            return socket.create_server(("", port), **six)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
    return socket.create_server(("", port))


def start(function, *arguments):
    """Starts and returns a daemon thread."""
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread
