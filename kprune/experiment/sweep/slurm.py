"""Cells of a sweep as an array of jobs of Slurm, by way of submitit."""

import dataclasses
import operator
import os
import pathlib
import re
import shlex
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kprune.experiment.sweep import remote, slurm_job
from kprune.experiment.sweep.slurm_commands import Cluster
from kprune.runtime import checks, extras, files, types
from kprune.runtime.doors import checked

if TYPE_CHECKING:
    from kprune.experiment.sweep.grid import Cell

FOLDER = ".slurm"  # Below the runs: submitit's files, and `JOBS`.
JOBS = "jobs.json"  # The id of each cell's job.
_WHY = "The executor 'slurm'"
_GRACE = 60.0  # Seconds for jobs to save a checkpoint.
_LOOK = 5.0  # Seconds between two queries to Slurm.
_SILENT = 120  # How many of them in a row may fail.
_OPTION = re.compile(r"[a-z][a-z0-9-]*")
# By option of sbatch, the argument that sets it.
_OWN = {
    "partition": "partition",
    "time": "minutes",
    "mem": "memory_gb",
    "cpus-per-task": "cpus_per_run",
    "gpus-per-node": "gpus_per_run",
    "array": "jobs",
}


def _options(name, value):
    """Returns valid options of sbatch, a dict by long name."""
    checks.instance(name, value, dict, "a dict of sbatch's options")
    for key in value:
        fits = isinstance(key, str) and _OPTION.fullmatch(key)
        expected = "long names of sbatch's options, such as 'account'"
        checks.require(bool(fits), name, key, expected)
        if key in _OWN:
            raise ValueError(
                f"sbatch's option {key!r} is said by `{_OWN[key]}`. Leave it "
                f"out of `{name}`."
            )
    return value


@checked(
    partition=checks.optional(checks.string),
    minutes=checks.at_least(2),
    memory_gb=checks.optional(checks.within("(0, inf)")),
    cpus_per_run=checks.at_least(1),
    gpus_per_run=checks.at_least(0),
    jobs=checks.at_least(1),
    max_retries=checks.at_least(0),
    options=_options,
)
@dataclasses.dataclass(frozen=True)
class SlurmExecutor:
    """An executor that runs a sweep's cells as an array of Slurm jobs.

    All nodes must see the runs' directory, and the one where the sweep was
    started, under the same paths, and have this Python. A job that is
    preempted or runs out of time saves, and is queued again.

    Args:
        partition: String. Defaults to Slurm's default.
        minutes: Integer >= 2, the time limit of a job; a run may take several
            jobs. Defaults to 60.
        memory_gb: Number, the memory of a job in GiB. Defaults to Slurm's
            default.
        cpus_per_run: Integer >= 1, the cores and threads of a cell. Defaults
            to 1.
        gpus_per_run: Integer >= 0, the GPUs of a cell. Defaults to 0.
        jobs: Integer >= 1, how many cells run at a time. Defaults to 256.
        max_retries: Integer >= 0, how often a cell may run out of time, and
            how often a lost job is submitted again. Defaults to 3.
        options: Dict of further options of sbatch by their long names, such as
            `{"account": "lab", "constraint": "a100"}`; a flag without a value
            is `True`.
    """

    partition: str | None = None
    minutes: int = 60
    memory_gb: float | None = None
    cpus_per_run: int = 1
    gpus_per_run: int = 0
    jobs: int = 256
    max_retries: int = 3
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    def check(self, distribute: str = "none") -> None:
        """Raises `ValueError` if submitit or Slurm's commands are missing."""
        del distribute
        submitit = _submitit()
        if submitit.SlurmExecutor.affinity() < 0:
            raise ValueError(
                "There is no Slurm on this machine: `srun` is not found. Start "
                "the sweep on a login node, or use another executor."
            )

    def start(
        self,
        cells: Sequence["Cell"],
        runs: types.Path,
        data_dir: types.Path | None = None,
        distribute: str = "none",
    ) -> "Jobs":
        """Returns the `Jobs` that run cells in directories below `runs`.

        Args:
            cells: Sequence of cells, from `grid.cells`.
            runs: Path of a directory.
            data_dir: As for `kprune.datasets.load`.
            distribute: The `config.distribute` of the cells.

        Raises:
            ValueError: As for `check`.
        """
        self.check(distribute)
        submitit = _submitit()
        executor = submitit.SlurmExecutor(
            _folder(runs), max_num_timeout=self.max_retries
        )
        executor.update_parameters(**self._parameters())
        cluster = Cluster(submitit.SlurmJob)
        return Jobs(executor, cluster, self.max_retries, cells, runs, data_dir)

    def script(self, runs: types.Path, count: int) -> str:
        """Returns the script that sbatch gets for `count` cells."""
        submitit = _submitit()

        class Shown(submitit.SlurmExecutor):  # type: ignore[name-defined]
            """An executor that needs no Slurm, and submits nothing."""

            @classmethod
            def affinity(cls):
                return 1

        shown = Shown(_folder(runs))
        shown.update_parameters(**self._parameters())
        if count > 1:
            shown.parameters["map_count"] = count
        folder = shlex.quote(str(shown.folder))
        command = f"{shown.python} -u -m submitit.core._submit {folder}"
        # submitit has no public way to see a script before it is sent.
        make = operator.methodcaller("_make_submission_file_text", command, "")
        return make(shown)

    def _parameters(self):
        """Returns the parameters of a job for submitit."""
        found = {
            "partition": self.partition,
            "gpus_per_node": self.gpus_per_run or None,
        }
        if self.memory_gb is not None:
            found["mem"] = f"{round(1024 * self.memory_gb)}M"
        return {
            "job_name": "kprune",
            "time": self.minutes,
            "cpus_per_task": self.cpus_per_run,
            "array_parallelism": self.jobs,
            "setup": setup(self.cpus_per_run),
            "additional_parameters": {"requeue": True, **self.options},
            **{key: value for key, value in found.items() if value is not None},
        }


class Jobs(remote.Remote):
    """Cells as Slurm jobs, including those that an earlier sweep left."""

    def __init__(self, executor, cluster, max_retries, cells, runs, data_dir):
        super().__init__(cells, runs, data_dir)
        self._executor = executor
        self._cluster = cluster
        self._retries = dict.fromkeys((c.name for c in cells), max_retries)
        self._cells = {cell.name: cell for cell in cells}
        self._again = {}  # Jobs of resubmitted cells, by name.
        self._gone = set()  # Jobs that had ended at the last look.
        self._looked = -_LOOK
        self._unanswered = 0

    def submit(self, cells):
        for cell in cells:
            self._again.pop(cell.name, None)
        known = self._read()
        alive = self._cluster.alive()
        found = {
            cell.name: self._cluster.job(
                self._executor.folder, known[cell.name]
            )
            for cell in cells
            if known.get(cell.name) in alive
        }
        fresh = [cell for cell in cells if cell.name not in found]
        tasks = [slurm_job.Job(self.task(cell)) for cell in fresh]
        if tasks:
            jobs = self._executor.submit_array(tasks)
            found |= {c.name: j for c, j in zip(fresh, jobs, strict=True)}
            self._write(known | {n: job.job_id for n, job in found.items()})
        return [found[cell.name] for cell in cells]

    def poll(self, submitted):
        jobs = {
            name: self._again.get(name, job) for name, job in submitted.items()
        }
        found = {
            name: _outcome(job)
            for name, job in jobs.items()
            if job.paths.result_pickle.exists()
        }
        if time.monotonic() - self._looked < _LOOK:
            return found
        self._looked = time.monotonic()
        alive = self._alive()
        if alive is None:
            return found
        over = {
            name: job
            for name, job in jobs.items()
            if name not in found and job.job_id not in alive
        }
        # A file server may show the result of a job late, so that one counts
        # as lost at the second look only.
        lost = {n: job for n, job in over.items() if job.job_id in self._gone}
        self._gone = {job.job_id for job in over.values()}
        for name, job in lost.items():
            words = self._cluster.end(job)
            if self._retries[name] and "CANCELLED" not in words:
                self._retries[name] -= 1
                (self._again[name],) = self.submit([self._cells[name]])
            else:
                found[name] = {"error": f"Its job {job.job_id} ended: {words}."}
        return found

    def _alive(self):
        """Returns the ids of the jobs that wait or run.

        Returns `None` while Slurm does not answer, as happens under load.
        """
        try:
            found = self._cluster.alive()
        except RuntimeError:
            self._unanswered += 1
            if self._unanswered > _SILENT:
                raise
            return None
        self._unanswered = 0
        return found

    def cancel(self, submitted):
        jobs = [self._again.get(name, job) for name, job in submitted.items()]
        self._cluster.cancel(jobs)
        until = time.monotonic() + _GRACE
        mine = {job.job_id for job in jobs}
        while mine & self._cluster.alive() and time.monotonic() < until:
            time.sleep(1)

    def _read(self):
        found = files.read_record(self._executor.folder / JOBS)
        return found["jobs"] if found else {}

    def _write(self, known):
        files.write_record(self._executor.folder / JOBS, {"jobs": known})


def _submitit():
    """Returns submitit, imported without its logging setup.

    That would close the streams of other loggers.
    """
    name = "SUBMITIT_LOG_LEVEL"
    before = os.environ.get(name)
    os.environ[name] = "NOCONFIG"
    try:
        return extras.load("submitit", _WHY)
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def setup(cpus):
    """Returns the script lines that set up a cell with `cpus` threads."""
    # Safe path: a file in the current directory must not shadow a module.
    found = {**remote.variables(cpus), "PYTHONSAFEPATH": "1"}
    return [f"export {key}={shlex.quote(text)}" for key, text in found.items()]


def _outcome(job):
    error = job.exception()
    if error is None:
        return job.result()
    last = str(error).strip().splitlines()
    told = [line for line in last if re.match(r"[\w.]*(Error|Exit)", line)]
    return {"error": (told or last)[-1]}


def _folder(runs):
    return pathlib.Path(runs).absolute() / FOLDER
