"""Cells of a sweep as tasks of a Ray cluster."""

import dataclasses
import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kprune.experiment.sweep import remote, resources
from kprune.runtime import checks, extras, types
from kprune.runtime.doors import checked
from kprune.runtime.words import one_line

if TYPE_CHECKING:
    from kprune.experiment.sweep.grid import Cell

_CONNECTING = 5.0  # Seconds to wait for a cluster's port to open.
_GRACE = 60.0  # Seconds for tasks to save a checkpoint.
_WHY = "The executor 'ray'"


@checked(
    cpus_per_run=checks.at_least(1),
    gpus_per_run=resources.gpus_per_run,
    address=checks.optional(checks.string),
    max_retries=checks.at_least(0),
)
@dataclasses.dataclass(frozen=True)
class RayExecutor:
    """An executor that runs a sweep's cells as tasks of Ray.

    All nodes must see the runs' directory, and the one where the sweep was
    started, under the same paths, and have kprune installed.

    Args:
        cpus_per_run: Integer >= 1, the cores and threads of a cell. Defaults
            to 1.
        gpus_per_run: Number of GPUs of a cell: a whole number, or a share of
            one. Defaults to 0.
        address: String, the cluster's address: `"auto"`, or `"HOST:PORT"`. By
            default Ray starts a cluster on this machine, for the sweep alone.
        max_retries: Integer >= 0, how often Ray restarts a cell whose process
            or node is lost. It resumes from its last checkpoint. Defaults to
            3.
    """

    cpus_per_run: int = 1
    gpus_per_run: float = 0
    address: str | None = None
    max_retries: int = 3

    def check(self, distribute: str = "none") -> None:
        """Raises `ValueError` if cells cannot run.

        Either Ray is not installed, nothing listens at `"HOST:PORT"`, or,
        without an address, this machine lacks the cores or GPUs of a cell.
        """
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

    def start(
        self,
        cells: Sequence["Cell"],
        runs: types.Path,
        data_dir: types.Path | None = None,
        distribute: str = "none",
    ) -> remote.Remote:
        """Connects to Ray, and returns the tasks that run cells below `runs`.

        Args:
            cells: Sequence of cells, from `grid.cells`.
            runs: Path of a directory.
            data_dir: As for `kprune.datasets.load`.
            distribute: The `config.distribute` of the cells.

        Raises:
            ValueError: As for `check`.
        """
        self.check(distribute)
        ray, ours = connect(self)
        return _Tasks(ray, ours, self, cells, runs, data_dir)


class _Tasks(remote.Remote):
    """Cells as tasks of the cluster that Ray is connected to.

    It disconnects at the end if the connection is `ours`.
    """

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
            self._ray.cancel(ref)  # Acts like Ctrl-C, on which a run saves.
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
    """Connects Ray to the cluster of an executor, or starts one here.

    A program that is connected already stays so.

    Returns:
        (the module ray, whether this call connected it).

    Raises:
        ValueError: If Ray is not installed, or there is no cluster.
    """
    ray = extras.load("ray", _WHY)
    if ray.is_initialized():
        return ray, False
    # By default, Ray sends usage statistics to its developers.
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
    except Exception as error:  # Ray raises a plain one if a node is slow.
        raise _nobody(address, one_line(error)) from error
    return ray, True


def _knock(address):
    """Raises `ValueError` unless something listens at an address.

    Ray itself would try for a minute, and may end the process.
    """
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
