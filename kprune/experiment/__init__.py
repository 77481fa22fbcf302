"""A run as a value: a config goes in, a directory comes out.

    build(config)      the data and the pruned model
    train(run, path)   trains, evaluates, and writes what there is to keep
    run(config, path)  both, unless the directory holds the finished run

`default` and `complete` say what a config may hold; `status`, `result` and
`differences` what a directory holds.
"""

from kprune.experiment.config import complete, default
from kprune.experiment.directory import differences, result, status
from kprune.experiment.runs import Run, build
from kprune.experiment.training import run, train

__all__ = [
    "Run",
    "build",
    "complete",
    "default",
    "differences",
    "result",
    "run",
    "status",
    "train",
]
