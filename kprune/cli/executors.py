"""The flags of a sweep's executor."""

from kprune.experiment.sweep import executors
from kprune.runtime import lookup

# The argument of the executors that each flag sets.
_ARGUMENTS = {
    "jobs": "jobs",
    "cpus_per_run": "cpus_per_run",
    "gpus_per_run": "gpus_per_run",
    "max_retries": "max_retries",
    "ray_address": "address",
    "slurm_partition": "partition",
    "slurm_minutes": "minutes",
    "slurm_memory_gb": "memory_gb",
    "slurm_options": "options",
}


def define(flags):
    """Defines `--executor`, and the flags of each executor."""
    names = ", ".join(executors.EXECUTORS)
    text = f"Where the cells run, one of {names}."
    flags.string("executor", "local", text)
    text = "How many cells to run at a time. Defaults to 1; with slurm to 256."
    flags.integer("jobs", None, text, least=1)
    text = "Cores of a cell, and its threads. Defaults to an equal share of "
    text += "the cores; with slurm and ray to 1."
    flags.integer("cpus_per_run", None, text, least=1)
    text = "GPUs of a cell; 0.5 puts two on one. Local cells take one each, in "
    text += "turn, unless it is given; with slurm and ray they take none."
    flags.float("gpus_per_run", None, text)
    text = "slurm, ray: how often a cell is started again whose process, job "
    text += "or node was lost. Defaults to 3."
    flags.integer("max_retries", None, text, least=0)
    text = "ray: auto, or HOST:PORT. Defaults to a cluster on this machine."
    flags.string("ray_address", None, text)
    flags.string("slurm_partition", None, "slurm: the partition.")
    text = "slurm: the time of a job, of which a run may take several. "
    text += "Defaults to 60."
    flags.integer("slurm_minutes", None, text, least=2)
    flags.float("slurm_memory_gb", None, "slurm: the memory of a job.")
    text = "slurm: further options of sbatch, such as account=lab,exclusive."
    flags.list("slurm_options", None, text)


def chosen(flags):
    """Returns the executor that the flags describe.

    Raises:
        ValueError: If the name is unknown, or the executor lacks a flag.
    """
    kind = lookup.choose(flags.executor, executors.EXECUTORS, "executor")
    given = {
        name: flags[name].value
        for name in _ARGUMENTS
        if flags[name].value is not None
    }
    known = kind.__dataclass_fields__
    for name in given:
        if _ARGUMENTS[name] not in known:
            raise ValueError(
                f"--{name} is not of --executor={flags.executor}. Leave it "
                "out, or name another executor."
            )
    if "slurm_options" in given:
        given["slurm_options"] = dict(map(_option, given["slurm_options"]))
    if flags.executor == "slurm" and "gpus_per_run" in given:
        given["gpus_per_run"] = _whole(given["gpus_per_run"])
    return kind(**{_ARGUMENTS[name]: value for name, value in given.items()})


def _option(text):
    name, equals, value = text.partition("=")
    return name, value if equals else True


def _whole(number):
    """Returns a whole number as an integer, which Slurm's GPUs need."""
    return int(number) if number.is_integer() else number
