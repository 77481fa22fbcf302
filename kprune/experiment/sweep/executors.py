"""The executors of a sweep's cells, by name."""

from kprune.experiment.sweep.pool import LocalExecutor
from kprune.experiment.sweep.ray_tasks import RayExecutor
from kprune.experiment.sweep.slurm import SlurmExecutor
from kprune.runtime import lookup

EXECUTORS = {
    "local": LocalExecutor,
    "ray": RayExecutor,
    "slurm": SlurmExecutor,
}


def get(executor):
    """Returns an executor, by name with its defaults, or as it is given.

    Raises:
        ValueError: If the name is unknown.
    """
    if isinstance(executor, tuple(EXECUTORS.values())):
        return executor
    return lookup.choose(executor, EXECUTORS, "executor")()
