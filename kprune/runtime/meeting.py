"""Lets all workers meet before TensorFlow connects them.

TensorFlow waits an hour for a missing worker, without a message and without
reacting to signals. Here the other workers connect to the first worker, at its
address, and it checks that each can be reached at the cluster's address. A
worker that waits logs for whom. The ports are those that TensorFlow opens
next, so that a firewall need not open others.
"""

import contextlib
import socket
import threading
import time

from absl import logging

from kprune.runtime import directories, lines

_SAY_EVERY = 30.0  # Seconds.
_LOOK_EVERY = 0.3
_ANSWER = 5.0  # Seconds in which a running worker answers.


class WorkersMissing(Exception):
    """Says which workers did not come in time."""


def meet(cluster, settings, timeout):
    """Waits until all workers are here, with the same settings.

    Args:
        cluster: `kprune.runtime.cluster.Cluster`, equal on all workers.
        settings: Dict of settings that must be equal on all workers, as loaded
            from JSON.
        timeout: Number of seconds.

    Raises:
        ValueError: If a worker has other settings or another cluster, or two
            have the same index.
        WorkersMissing: If a worker is missing after `timeout`.
    """
    wait = _Wait(timeout)
    own = cluster.tasks[cluster.place]
    if cluster.place == 0:
        host = _Host(cluster, settings)
        with _door(own, host.welcome, wait):
            host.wait_for_all(wait)
    else:
        with _door(own, lambda guest: guest.say(name=own.name), wait):
            _visit(cluster, settings, wait)


class _Wait:
    """A timer that logs every 30 s who is missing, and raises at timeout."""

    def __init__(self, timeout):
        self._timeout = timeout
        self._start = self._said = time.monotonic()

    def check(self, missing):
        """Logs or raises if it is time; `missing` maps names to reasons."""
        now = time.monotonic()
        waited = now - self._start
        names = ", ".join(f"{name} ({why})" for name, why in missing.items())
        if waited > self._timeout:
            raise WorkersMissing(
                f"Waited {self._timeout:g} s for {names}. Start all workers "
                "again."
            )
        if now - self._said > _SAY_EVERY:
            self._said = now
            logging.warning(
                "Waiting for %s, for %.0f s of %g s.",
                names,
                waited,
                self._timeout,
            )


@contextlib.contextmanager
def _door(task, welcome, wait):
    """Listens on a task's port within the block, once the port is free."""
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lines.door(task.port, welcome))
                break
            except OSError as error:
                # An earlier worker that is still ending may hold the port.
                where = f"port {task.port} of {task.name}"
                wait.check({where: error.strerror or str(error)})
                time.sleep(_LOOK_EVERY)
        yield


class _Host:
    """The first worker, which keeps the list of workers that came."""

    def __init__(self, cluster, settings):
        self._first, *self._others = cluster.tasks
        self._cluster = _said(cluster)
        self._settings = settings
        self._lock = threading.Lock()
        self._guests = {}  # From name to (line, settings).
        self._absent = {
            task.name: "not looked for yet" for task in self._others
        }
        self._refusal = None
        self._over = False

    def wait_for_all(self, wait):
        """Waits until all are here, and tells them; raises on failure."""
        for task in self._others:
            lines.start(self._look_for, task)
        try:
            while (missing := self._missing()) and self._refusal is None:
                wait.check(missing)
                self._tell(missing=missing)
                time.sleep(_LOOK_EVERY)
        except WorkersMissing as error:
            self._tell(late=str(error))
            raise
        finally:
            self._over = True
        refusal = self._refusal or self._difference()
        if refusal is not None:
            self._tell(refusal=refusal)
            raise ValueError(refusal)
        self._tell(all=True)

    def welcome(self, guest):
        """Serves the connection of one worker until it closes."""
        guest.say(name=self._first.name)
        hello = guest.hear(_ANSWER)
        name, settings = hello.get("name"), hello.get("settings")
        if not isinstance(name, str) or not isinstance(settings, dict):
            return  # Not a worker.
        if hello.get("cluster") != self._cluster:
            self._refusal = (
                f"{name} has another cluster in TF_CONFIG than "
                f"{self._first.name}: {hello.get('cluster')!s:.500}. "
                f"Expected: {self._cluster}"
            )
            guest.say(refusal=self._refusal)
            return
        with self._lock:
            taken = name not in self._absent or name in self._guests
            if not taken:
                self._guests[name] = guest, settings
        if taken:
            words = f"{name} is here already. Give each another index."
            guest.say(refusal=words)
            return
        try:
            while True:
                guest.hear(_ANSWER)  # Raises when the connection closes.
        finally:
            with self._lock:
                del self._guests[name]

    def _look_for(self, task):
        while not self._over:
            why = self._absent[task.name] = _absence(task)
            time.sleep(_LOOK_EVERY if why else 1.0)

    def _missing(self):
        """Returns a dict from workers that are not here, or cannot be reached,
        to the reason."""
        found = {}
        for task in self._others:
            why = self._absent[task.name]
            if why is None and task.name not in self._guests:
                why = "it answers, but did not come"
            if why is not None:
                found[task.name] = f"{task.address}: {why}"
        return found

    def _difference(self):
        """Returns a message on workers with other settings, or `None`."""
        found = []
        for name, (_, settings) in sorted(self._guests.items()):
            other = directories.differences(self._settings, settings)
            keys = [f"{key}={b!r}, not {a!r}" for key, a, b in other[:5]]
            if keys:
                found.append(f"{name} has {', '.join(keys)}")
        if not found:
            return None
        return (
            f"Workers were started with other settings than {self._first.name}"
            f": {'; '.join(found)}. Start all with the same command."
        )

    def _tell(self, **message):
        with self._lock:
            guests = list(self._guests.values())
        for guest, _ in guests:
            guest.say(**message)


def _visit(cluster, settings, wait):
    """Connects to the first worker, and waits until all are here."""
    first, own = cluster.tasks[0], cluster.tasks[cluster.place]
    hello = {"name": own.name, "cluster": _said(cluster), "settings": settings}
    while True:
        try:
            with _called(first) as line:
                line.say(**hello)
                if _stay(line, first, wait):
                    return
        except OSError as error:
            wait.check({first.name: f"{first.address}: {_words(error)}"})
        time.sleep(_LOOK_EVERY)


def _stay(line, first, wait):
    """Returns True when all are here, or raises."""
    missing = {first.name: f"{first.address}: it answers, but says nothing"}
    while True:
        message = line.hear(1.0)
        if message.get("all"):
            return True
        if "refusal" in message:
            raise ValueError(message["refusal"])
        if "late" in message:
            raise WorkersMissing(message["late"])
        missing = message.get("missing", missing)
        wait.check(missing)


def _absence(task):
    """Returns why a task cannot be reached, or `None` if it can."""
    try:
        _called(task).close()
    except OSError as error:
        return _words(error)
    return None


def _called(task):
    """Returns a `Line` to a task; raises `OSError` if it does not answer."""
    line = lines.Line.to(task.host, task.port, _ANSWER)
    try:
        found = line.hear(_ANSWER).get("name")
        if found != task.name:
            raise ConnectionError(f"{found or 'nobody'} answers there")
    except BaseException:
        line.close()
        raise
    return line


def _words(error):
    if isinstance(error, socket.gaierror):
        return f"the name does not resolve ({error.strerror})"
    if isinstance(error, TimeoutError):
        return "no answer"
    return error.strerror or str(error)


def _said(cluster):
    """Returns a cluster in the JSON form in which workers compare it."""
    return [[task.name, task.address] for task in cluster.tasks]
