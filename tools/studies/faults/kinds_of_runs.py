"""Small runs of each kind, which come to the same end each time."""

import dataclasses
import pathlib
from collections.abc import Callable

import keras

from kprune import experiment
from kprune.experiment.sweep import worker
from kprune.experiment.tickets import trainings

_SMALL = {
    "dataset": {"name": "digits", "batch_size": 64},
    "model": {"name": "fc", "widths": (8,)},
    "training": {"epochs": 2, "steps_per_epoch": 3},
    "checkpoint": {"every": "2it"},
}
_ONE_EPOCH = {"epochs": 1, "steps_per_epoch": 3}
_TICKETS = {
    "name": "imp",
    "fraction": 0.2,
    "levels": 1,
    "rewind_to": "1it",
    "survivors": "rewind",
    "learning_rate": "rewind",
    "baselines_at": (1,),
    "seeds": (0,),
}


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of run: `start` begins or goes on with one in a directory, and
    raises unless it comes to its end."""

    name: str
    start: Callable


def _config(artifacts=True, **changes):
    return experiment.complete({**_SMALL, "artifacts": artifacts, **changes})


def _begin(config):
    """Does what `kprune train` does before a run."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(config.seed)


def _run(artifacts=True, **changes):
    config = _config(artifacts, **changes)

    def start(directory):
        _begin(config)
        experiment.run(config, directory, verbose=0)

    return start


def _search(directory):
    config = _config(pruner={"method": "dense"}, training=_ONE_EPOCH)
    _begin(config)
    trainings.all_of(config, _TICKETS, directory, None, lambda *_: None)


def _sweep(directory):
    for method in ("random", "magnitude"):
        pruner = {"method": method, "sparsity": 0.5}
        config = _config(False, pruner=pruner, training=_ONE_EPOCH)
        task = {
            "config": config.to_dict(),
            "workdir": str(pathlib.Path(directory, method)),
            "data_dir": None,
        }
        answer = worker.perform(task)
        if "result" not in answer:
            raise RuntimeError(str(answer))


def kinds():
    """Returns the kinds by name. The first writes all that a run can write."""
    gmp = {"method": "gmp", "sparsity": 0.5, "options": {"every": "1it"}}
    rigl = {"method": "rigl", "sparsity": 0.5, "options": {"every": "2it"}}
    snip = {"method": "snip", "sparsity": 0.5}
    found = [
        Kind("quick start", _run(pruner=snip)),
        Kind("GMP", _run(artifacts=False, pruner=gmp)),
        Kind("RigL", _run(artifacts=False, pruner=rigl)),
        Kind("a ticket search", _search),
        Kind("a sweep", _sweep),
    ]
    return {kind.name: kind for kind in found}
