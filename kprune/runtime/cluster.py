"""Validates the cluster that `TF_CONFIG` describes."""

import dataclasses
import json

_EXAMPLE = (
    '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
# Ordered: the first task of the first job present is the one that leads.
_JOBS = ("chief", "worker")


@dataclasses.dataclass(frozen=True)
class Task:
    """A process in a cluster: its name, such as `"worker 1"`, and address."""

    name: str
    host: str
    port: int

    @property
    def address(self):
        return f"{self.host}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The tasks of a cluster, and the index of this process among them."""

    tasks: tuple
    place: int

    @property
    def leads(self):
        return self.place == 0


def read(text):
    """Returns the `Cluster` that the text of `TF_CONFIG` describes.

    Raises:
        ValueError: If the text is invalid, or describes a cluster that does
            not train in sync.
    """
    try:
        config = json.loads(text)
        tasks = _tasks(config["cluster"])
        kind, index = config["task"]["type"], config["task"]["index"]
        names = [task.name for task in tasks]
        return Cluster(tuple(tasks), names.index(f"{kind} {int(index)}"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = str(error) if isinstance(error, _Wrong) else ""
        raise ValueError(
            "Strategy 'multi_worker' needs the environment variable TF_CONFIG "
            "on each machine, with a cluster and a task in it, such as "
            f"{_EXAMPLE}. {why}Received: {text}"
        ) from error


class _Wrong(ValueError):
    """Says what is wrong with a cluster."""


def _tasks(jobs):
    for job, addresses in jobs.items():
        if job not in _JOBS:
            raise _Wrong(f"Expected the jobs chief and worker, not {job!r}. ")
        if not isinstance(addresses, list):
            raise _Wrong(f"Expected {job!r} to be a list of addresses. ")
    if len(jobs.get("chief", [])) > 1:
        raise _Wrong("Expected one chief. ")
    found = [
        Task(f"{job} {index}", *_parts(address))
        for job in _JOBS
        for index, address in enumerate(jobs.get(job, []))
    ]
    addresses = [task.address for task in found]
    for address in addresses:
        if addresses.count(address) > 1:
            raise _Wrong(f"Expected other addresses than twice {address!r}. ")
    return found


def _parts(address):
    """Returns the host and the port of an address."""
    host, _, port = str(address).rpartition(":")
    digits = port.isascii() and port.isdigit()
    if not host or not digits or not 0 < int(port[:6]) < 2**16:
        raise _Wrong(
            "Expected addresses of a host and a port from 1 to 65535, not "
            f"{address!r}. "
        )
    return host.strip("[]"), int(port)
