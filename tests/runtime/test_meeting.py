"""Workers meet before TensorFlow connects them, or say who is missing."""

import json
import socket
import threading
import time

import pytest

from kprune.runtime import meeting
from kprune.runtime.cluster import Cluster, Task


@pytest.fixture
def tasks():
    """Three workers at free ports of this machine."""
    servers = [socket.create_server(("localhost", 0)) for _ in range(3)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return tuple(
        Task(f"worker {i}", "localhost", p) for i, p in enumerate(ports)
    )


class Workers:
    """Threads that stand for workers, and what became of each."""

    def __init__(self):
        self.ends = {}
        self._threads = []

    def start(self, tasks, *places, timeout=20.0, settings=None):
        for place in places:
            arguments = (Cluster(tasks, place), settings or {}, timeout)
            self._threads.append(
                threading.Thread(target=self._meet, args=(place, *arguments))
            )
            self._threads[-1].start()

    def _meet(self, place, *arguments):
        try:
            self.ends[place] = meeting.meet(*arguments)
        except (ValueError, meeting.WorkersMissing) as error:
            self.ends[place] = error

    def end(self):
        """Waits, and returns what became of each: an error or `None`."""
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        return self.ends


@pytest.fixture
def workers():
    return Workers()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_all_come_in_any_order(workers, tasks, order):
    for place in order:
        workers.start(tasks, place, settings={"rate": [0.1, 1]})
        time.sleep(0.2)
    assert workers.end() == {0: None, 1: None, 2: None}
    for task in tasks:  # The ports are free for TensorFlow.
        socket.create_server(("", task.port)).close()


def said(workers, place, kind=meeting.WorkersMissing):
    error = workers.end()[place]
    assert isinstance(error, kind), error
    return str(error)


@pytest.mark.parametrize("missing", range(3))
def test_who_is_missing_is_said_by_all(workers, tasks, missing):
    here = [place for place in range(3) if place != missing]
    workers.start(tasks, *here, timeout=2)
    for place in here:
        words = said(workers, place)
        assert f"for worker {missing} (localhost:{tasks[missing].port}" in words
        assert words.startswith("Waited 2 s") and "refused" in words


def test_a_name_that_does_not_resolve(workers, tasks):
    wrong = (*tasks[:2], Task("worker 2", "nowhere.invalid", tasks[2].port))
    # It comes, but the others could not come to it.
    workers.start(wrong, 0, 1, 2, timeout=3)
    for place in range(3):
        words = "worker 2 (nowhere.invalid:"
        assert words in said(workers, place)
        assert "does not resolve" in said(workers, place)


def test_other_settings_are_told_to_all(workers, tasks):
    workers.start(tasks, 0, 1, settings={"rate": 0.1, "epochs": 3})
    workers.start(tasks, 2, settings={"rate": 0.2, "epochs": 3})
    for place in range(3):
        words = said(workers, place, ValueError)
        assert "worker 2 has rate=0.2, not 0.1. Start all" in words


def test_another_cluster_is_told_to_all(workers, tasks):
    workers.start(tasks, 0, 1)
    time.sleep(0.5)
    workers.start((*tasks, Task("worker 3", "localhost", 9000)), 2)
    for place in range(3):
        words = said(workers, place, ValueError)
        assert words.startswith("worker 2 has another cluster in TF_CONFIG")


def test_an_index_that_is_taken(workers, tasks):
    workers.start(tasks, 0, 1)
    time.sleep(1)
    twin = Workers()
    twin.start(tasks, 1, timeout=1)
    assert "port" in said(twin, 1) and "Address already" in said(twin, 1)
    workers.start(tasks, 2)
    assert workers.end() == {0: None, 1: None, 2: None}


def hello(tasks, place, **changes):
    """Goes to the first worker by hand, and returns the connection."""
    connection = socket.create_connection(("localhost", tasks[0].port), 5)
    named = [[task.name, task.address] for task in tasks]
    message = {"name": f"worker {place}", "cluster": named, "settings": {}}
    connection.sendall(json.dumps(message | changes).encode() + b"\n")
    return connection


def lines_of(connection):
    """Returns all that is said until the connection ends."""
    connection.settimeout(10)
    with connection, connection.makefile() as file:
        return [json.loads(line) for line in file]


def test_an_index_that_is_taken_on_another_machine(workers, tasks):
    workers.start(tasks, 0, 1)
    time.sleep(1.5)
    assert "here already" in lines_of(hello(tasks, 1))[-1]["refusal"]
    workers.start(tasks, 2)
    assert workers.end() == {0: None, 1: None, 2: None}


def test_a_worker_that_went_away_is_waited_for_again(workers, tasks):
    workers.start(tasks, 0, 2)
    time.sleep(0.5)
    hello(tasks, 1).close()
    time.sleep(0.5)
    assert workers.ends == {}
    workers.start(tasks, 1)
    assert workers.end() == {0: None, 1: None, 2: None}


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\n",
        b"[" * 10**5 + b"\n",
        b"x" * 2**21,
        b'{"name": 3}\n',
        b'{"name": "worker 1", "settings": 5}\n',
        b'{"name": [], "settings": {}}\n',
    ],
)
def test_strangers_do_not_disturb(workers, tasks, data):
    workers.start(tasks, 0)
    time.sleep(0.5)
    try:
        with socket.create_connection(("localhost", tasks[0].port), 5) as one:
            one.sendall(data)
    except ConnectionError:
        pass  # It hung up, which is its right.
    workers.start(tasks, 1, 2)
    assert workers.end() == {0: None, 1: None, 2: None}


def test_another_program_at_the_address_of_the_first(
    workers, tasks, monkeypatch
):
    monkeypatch.setattr(meeting, "_ANSWER", 0.5)
    with socket.create_server(("localhost", tasks[0].port)) as server:
        answer = threading.Thread(
            target=lambda: server.accept()[0].send(b"?\n")
        )
        answer.start()
        workers.start(tasks, 1, timeout=1)
        assert "for worker 0" in said(workers, 1)
        answer.join(5)


def test_who_is_waited_for_is_said_meanwhile(workers, tasks, monkeypatch):
    told = []
    monkeypatch.setattr(meeting, "_SAY_EVERY", 0.5)
    monkeypatch.setattr(
        meeting.logging, "warning", lambda text, *of: told.append(text % of)
    )
    workers.start(tasks, 0, 1, timeout=2)
    workers.end()
    assert len(told) > 3
    for text in told:
        assert text.startswith("Waiting for worker 2 (localhost:")
        assert text.endswith("s of 2 s.")
