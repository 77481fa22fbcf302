"""Cells of a sweep as tasks of a Ray cluster."""

import dataclasses
import os
import socket

from kprune.experiment.sweep import remote, resources
from kprune.runtime import checks, extras
from kprune.runtime.doors import checked
from kprune.runtime.words import one_line

_CONNECTING = 5.0  # Seconds to wait for a cluster's port to open.
_GRACE = 60.0  # Seconds for tasks to save what their runs go on from.
_WHY = "The executor 'ray'"


@checked(
    cpus_per_run=checks.at_least(1),
    gpus_per_run=resources.gpus_per_run,
    address=checks.optional(checks.string),
    max_retries=checks.at_least(0),
)
@dataclasses.dataclass(frozen=True)
class RayExecutor:
    """Runs a sweep's cells as tasks of Ray, which chooses the node of each.

    All nodes must see the runs' directory, and the one where the sweep was
    started, by the same paths, and have kprune installed.

    Args:
        cpus_per_run: Integer >= 1, the cores of a cell, and how many threads it
            computes with.
        gpus_per_run: The GPUs of a cell: a whole number, or a share of one.
        address: String, where a cluster is: `"auto"`, or `"HOST:PORT"`. By
            default Ray starts one on this machine, for the sweep alone.
        max_retries: Integer >= 0, how often Ray starts a cell again whose
            process or node is lost. It goes on from its last checkpoint.
    """

    cpus_per_run: int = 1
    gpus_per_run: float = 0
    address: str | None = None
    max_retries: int = 3

    def check(self, distribute="none"):
        """Raises `ValueError` if Ray is not installed, there is no cluster at
        the address, or this machine has not what a cell takes."""
        del distribute
        extras.load("ray", _WHY)
        if self.address is None:
            has = resources.cores(), len(resources.gpus())
            for name, most in zip(("cpus", "gpus"), has, strict=True):
                asked = getattr(self, f"{name}_per_run")
                words = (
                    f"at most {most}, as this machine has {name.upper()[:3]}s"
                )
                checks.require(asked <= most, f"{name}_per_run", asked, words)
        elif self.address != "auto":
            _knock(self.address)

    def start(self, cells, runs, data_dir=None, distribute="none"):
        """Connects to Ray, and returns what is to run cells in directories
        below `runs`.

        Raises:
            ValueError: As for `check`.
        """
        self.check(distribute)
        ray, ours = connect(self)
        return _Tasks(ray, ours, self, cells, runs, data_dir)


class _Tasks(remote.Remote):
    """Runs cells as tasks of the cluster that Ray is connected to, and
    disconnects if that is `ours`."""

    def __init__(self, ray, ours, executor, cells, runs, data_dir):
        super().__init__(cells, runs, data_dir)
        self._ray = ray
        self._ours = ours
        self._run = ray.remote(remote.run_here).options(
            num_cpus=executor.cpus_per_run,
            num_gpus=executor.gpus_per_run,
            max_retries=executor.max_retries,
            runtime_env={"env_vars": remote.variables(executor.cpus_per_run)},
        )

    def outcomes(self):
        yield from super().outcomes()
        self._leave()

    def stop(self):
        super().stop()
        self._leave()

    def submit(self, cells):
        return [self._run.remote(self.task(cell)) for cell in cells]

    def poll(self, submitted):
        ray, names = self._ray, {ref: name for name, ref in submitted.items()}
        over, _ = ray.wait(list(names), num_returns=len(names), timeout=0)
        return {names[ref]: self._outcome(ref) for ref in over}

    def cancel(self, submitted):
        refs = list(submitted.values())
        for ref in refs:
            self._ray.cancel(ref)  # As Ctrl-C in its process: it saves.
        if refs:
            self._ray.wait(refs, num_returns=len(refs), timeout=_GRACE)

    def _leave(self):
        if self._ours:
            self._ray.shutdown()

    def _outcome(self, ref):
        try:
            return self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            return {"error": f"{type(error).__name__}: {one_line(error)}"}


def connect(executor):
    """Returns the module ray, connected to the cluster of an executor or to one
    that it starts on this machine, and whether this call connected it: a
    program that is connected already stays so.

    Raises:
        ValueError: If Ray is not installed, or there is no cluster.
    """
    ray = extras.load("ray", _WHY)
    if ray.is_initialized():
        return ray, False
    # Ray would send figures on its use to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = executor.address
    options = {
        "log_to_driver": False,
        "logging_level": "ERROR",
        "runtime_env": {"env_vars": remote.variables(executor.cpus_per_run)},
    }
    if address is None:
        options |= {
            "address": "local",
            "num_cpus": resources.cores(),
            "num_gpus": len(resources.gpus()),
            "include_dashboard": False,
        }
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises that, too, where a node is slow.
        raise _nobody(address, one_line(error)) from error
    return ray, True


def _knock(address):
    """Raises `ValueError` unless something listens at an address: Ray itself
    tries for a minute, and may end the process."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    fits = bool(host) and port.isdigit()
    expected = 'auto, or HOST:PORT, such as "10.0.0.1:6379"'
    checks.require(fits, "address", address, expected)
    try:
        socket.create_connection((host, int(port)), _CONNECTING).close()
    except OSError as error:
        raise _nobody(address, one_line(error)) from error


def _nobody(address, why):
    if address is None:
        return ValueError(f"Ray did not start on this machine: {why}")
    return ValueError(
        f"There is no Ray cluster at {address!r} ({why}). Start one with `ray "
        "start --head`, or leave the address out, for one on this machine."
    )
