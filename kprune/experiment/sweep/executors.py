"""Where a sweep's cells run: the executors by name."""

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
    """Returns an executor: one that is given, or that of a name with its
    defaults.

    Raises:
        ValueError: If there is none of that name.
    """
    if isinstance(executor, tuple(EXECUTORS.values())):
        return executor
    return lookup.choose(executor, EXECUTORS, "executor")()
