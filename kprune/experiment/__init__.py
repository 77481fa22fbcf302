"""A run as a value: a config goes in, a directory comes out.

    build(config)      the data and the pruned model
    train(run, path)   trains, evaluates, and writes what there is to keep
    run(config, path)  both, unless the directory holds the finished run

`run_sweep` runs one config over methods, sparsities and seeds, on this machine
(`LocalExecutor`), Slurm (`SlurmExecutor`) or Ray (`RayExecutor`).

`tune` searches for the best method, sparsity, schedule or learning rate.

`default` and `complete` say what a config may hold, `name` which run it is
of; `status`, `result` and `differences` what a directory holds;
`read_results` gives the runs in some directories as a pandas DataFrame.
"""

from kprune.experiment.checking import checks
from kprune.experiment.config import complete, default
from kprune.experiment.directory import differences, result, status
from kprune.experiment.identity import name, settings
from kprune.experiment.preparation import methods
from kprune.experiment.results.frame import read_results
from kprune.experiment.runs import Run, build, network
from kprune.experiment.sweep.executors import (
    LocalExecutor,
    RayExecutor,
    SlurmExecutor,
)
from kprune.experiment.sweep.running import run_sweep
from kprune.experiment.training import run, train
from kprune.experiment.tuning.searching import tune
from kprune.experiment.tuning.space import Range
from kprune.experiment.tuning.trials import Trial

__all__ = [
    "LocalExecutor",
    "Range",
    "RayExecutor",
    "Run",
    "SlurmExecutor",
    "Trial",
    "build",
    "checks",
    "complete",
    "default",
    "differences",
    "methods",
    "name",
    "network",
    "read_results",
    "result",
    "run",
    "run_sweep",
    "settings",
    "status",
    "train",
    "tune",
]
