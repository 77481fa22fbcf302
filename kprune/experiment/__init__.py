"""A run as a value: a config goes in, a directory comes out.

    build(config)      loads the data and builds the pruned model
    train(run, path)   trains, evaluates and writes the directory
    run(config, path)  does both, unless the directory holds the finished run

`run_sweep` runs one config over methods, sparsities and seeds, on this machine
(`LocalExecutor`), Slurm (`SlurmExecutor`) or Ray (`RayExecutor`).

`tune` searches for the best method, sparsity, schedule or learning rate.

`default` and `complete` return a config with all its keys, `name` the name of
its run. `status`, `result` and `differences` inspect a directory;
`read_results` returns the runs in directories as a pandas DataFrame.
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
