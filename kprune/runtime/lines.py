"""Exchanges dicts over a socket, one line of JSON each."""

import contextlib
import errno
import json
import socket
import threading
import time

_LONGEST = 2**20  # Bytes of a line.


class Line:
    """A connection on which each line is a dict in JSON. A block closes it."""

    def __init__(self, connection):
        self._connection = connection
        self._read = b""

    @classmethod
    def to(cls, host, port, seconds):
        """Returns a connection, or raises `OSError`."""
        return cls(socket.create_connection((host, port), seconds))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._connection.close()

    def say(self, **message):
        """Sends a dict. Whoever is gone does not hear it."""
        with contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def hear(self, seconds):
        """Returns a dict, empty if none comes in time.

        Raises:
            ConnectionError: If the other one is gone, or says something else.
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
    """Listens at a port, and calls `welcome` with the `Line` of each who comes,
    each in a thread of its own.

    Raises:
        OSError: If another process listens there.
    """
    server = _server(port)
    server.settimeout(0.1)
    closed = threading.Event()

    def serve():
        while not closed.is_set():
            with contextlib.suppress(OSError):  # Nobody came just now.
                connection, _ = server.accept()
                start(talk, connection)

    def talk(connection):
        with Line(connection) as line, contextlib.suppress(OSError):
            welcome(line)

    serving = start(serve)
    try:
        yield
    finally:
        # While a thread still waits there, the port is not free.
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
    """Starts and returns a thread that ends with the process."""
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread
