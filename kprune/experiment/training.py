"""From a run that is built to a directory that is written."""

import os
import pathlib
import platform

import keras
import numpy as np
import tensorflow as tf

from kprune import masking, masks
from kprune.experiment import directory
from kprune.experiment.config import DENSE, complete
from kprune.experiment.log import MetricsLog
from kprune.experiment.runs import build, derived_seeds
from kprune.export import export
from kprune.report import report
from kprune.version import __version__


def train(run, workdir, verbose="auto"):
    """Trains and evaluates a run, and writes its directory.

    The test result is that of the stripped model, which is the one saved.

    Args:
        run: A `Run`, from `build`. Its model is trained.
        workdir: Path of the directory. What an unfinished run left in it is
            removed.
        verbose: As for `fit`.

    Returns:
        The result, a dict: `test_loss`, `test_accuracy`, `sparsity`,
        `seconds`.

    Raises:
        ValueError: If the directory cannot be written to, or holds another
            run or a finished one.
    """
    if directory.status(workdir, run.config) == "finished":
        raise ValueError(f"{workdir} holds this run finished.")
    directory.start(workdir, _record(run.config))
    log = MetricsLog(pathlib.Path(workdir) / directory.METRICS)
    run.model.fit(
        run.train,
        epochs=run.config.training.epochs,
        validation_data=run.validation,
        callbacks=[log],
        shuffle=False,  # The data set does, under its own seed.
        verbose=verbose,
    )
    plain = masking.strip(run.model)
    measured = plain.evaluate(run.test, return_dict=True, verbose=0)
    result = log.finish({f"test_{k}": v for k, v in measured.items()})
    _save(run, plain, pathlib.Path(workdir))
    directory.finish(workdir, result)
    return result


def run(config, workdir, data_dir=None, verbose="auto"):
    """Builds and trains, or returns the result of a run that is finished.

    Args:
        config: Config, complete or not.
        workdir: Path of the directory.
        data_dir: As for `kprune.datasets.load`.
        verbose: As for `fit`.

    Returns:
        The result, as from `train`.

    Raises:
        ValueError: If the directory holds another run, or as in `build`.

    Example:

    >>> config = {"pruner": {"method": "snip", "sparsity": 0.95}}
    >>> result = kprune.experiment.run(config, "runs/snip", verbose=0)
    """
    config = complete(config)
    if directory.status(workdir, config) == "finished":
        return directory.result(workdir)
    return train(build(config, data_dir, verbose), workdir, verbose)


def _record(config):
    versions = {
        "kprune": __version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    return {
        "config": config.to_dict(),
        "seed": config.seed,
        "seeds": derived_seeds(config),
        "versions": versions,
        "host": platform.node(),
    }


def _save(run, plain, workdir):
    rows = report(run.model).to_dict()
    directory.write_json(workdir / directory.REPORT, rows)
    if run.config.pruner.method != DENSE:
        kept = masking.get_masks(run.model)
        masks.save(kept, workdir / directory.MASKS)
    if run.config.artifacts:
        half = workdir / f".{directory.MODEL}"
        plain.save(half)
        os.replace(half, workdir / directory.MODEL)
        export(plain, workdir / directory.SAVED_MODEL)
