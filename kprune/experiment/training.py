"""Trains a prepared run and writes its directory."""

import contextlib
import dataclasses
import pathlib
import platform
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from kprune import training
from kprune.analysis.report import report
from kprune.deploy.exporting import saved_model
from kprune.experiment import directory
from kprune.experiment.config import DENSE, complete
from kprune.experiment.log import MetricsLog
from kprune.experiment.runs import Run, build_complete, derived_seeds
from kprune.experiment.tracking.recording import recording
from kprune.masking import masks, wrapping
from kprune.runtime import (
    distribution,
    files,
    keras_internals,
    locks,
    saved_models,
    types,
    user_warnings,
)
from kprune.runtime.version import __version__


def train(
    run: Run, workdir: types.Path, verbose: str | int = "auto"
) -> dict[str, float]:
    """Trains and evaluates a run, and writes its directory.

    It resumes an unfinished run in the directory from the last checkpoint.
    The test result is that of the stripped model, which is the one saved.
    Under a strategy of several workers all of them call it, and the chief
    writes.

    Args:
        run: A `Run`, from `build`. Its model is trained in place.
        workdir: Path of the directory.
        verbose: As for `fit`.

    Returns:
        The result, a dict: `test_loss`, `test_accuracy`, `sparsity`,
        `seconds`.

    Raises:
        ValueError: If the directory cannot be written to, holds another run
            or a finished one, or has no checkpoint for a run built with
            `resumes`.
        RuntimeError: If another process works there.
        OSError: If a file cannot be written, or the directory is removed
            meanwhile. The last checkpoint stays.
        kprune.training.Terminated: After a SIGTERM or Ctrl-C.
    """
    workdir = pathlib.Path(workdir)
    if not distribution.is_chief(run.model.distribute_strategy):
        return _train(run, workdir, None, 0)
    with directory.held(workdir) as lock:
        _prepare(run, workdir)
        return _train(run, workdir, lock, verbose)


def _train(run, workdir, lock, verbose):
    """Trains in a directory that is ready.

    `lock` is held by the worker that writes, and `None` on the others.
    """
    strategy = run.model.distribute_strategy
    writes = lock is not None
    # No worker may look for checkpoints before the chief has cleared them.
    distribution.wait(strategy)
    log = MetricsLog(workdir / directory.METRICS if writes else None)
    with recording(run, workdir if writes else None, log) as recorders:
        _fit(run, workdir, [log, *recorders], writes, verbose)
        plain = wrapping.strip(run.model)
        measured = plain.evaluate(run.test, return_dict=True, verbose=0)
        result = log.finish({f"test_{k}": v for k, v in measured.items()})
        if writes:
            lock.check()
            _save(run, plain, workdir)
            lock.check()
            directory.finish(workdir, result)
        for one in recorders:
            one.finish(result, workdir)
    # The others would take a worker that leaves early for dead.
    distribution.wait(strategy)
    return result


def _fit(run, workdir, logs, writes, verbose):
    training.fit(
        run.model,
        run.train,
        run.config.training.epochs,
        steps_per_epoch=run.steps_per_epoch,
        checkpoint=training.Checkpoint(
            workdir / directory.CHECKPOINTS, **run.config.checkpoint
        ),
        callbacks=[
            *run.callbacks,
            *logs,
            *_tensorboard(run, workdir if writes else None),
        ],
        validation_data=run.validation,
        verbose=verbose,
    )


def run(
    config: ConfigDict | dict[str, Any],
    workdir: types.Path,
    data_dir: types.Path | None = None,
    verbose: str | int = "auto",
    callbacks: Iterable[types.Callback] = (),
) -> dict[str, float]:
    """Builds and trains a run, or returns the result of a finished one.

    An unfinished run resumes from its last checkpoint, and ends as if it had
    never been interrupted. A `saved_model` that a finished run has lost is
    restored; other lost files raise a warning.

    Args:
        config: `ConfigDict` or dict, complete or not.
        workdir: Path of the directory.
        data_dir: As for `kprune.datasets.load`.
        verbose: As for `fit`.
        callbacks: Keras callbacks that watch the run, and are no part of its
            identity.

    Returns:
        The result, as `train` returns it.

    Raises:
        ValueError, RuntimeError, OSError: As `build` and `train`.
        kprune.training.Terminated: As `train`.

    Example:

    >>> config = {"pruner": {"method": "snip", "sparsity": 0.95}}
    >>> result = kprune.experiment.run(config, "runs/snip", verbose=0)
    """
    config = complete(config)
    status = directory.status(workdir, config)
    if status == "finished":
        told = mend(workdir)
        if told:
            user_warnings.warn(told)
        return directory.result(workdir)
    with held_if_chief(config, workdir):
        status = directory.status(workdir, config)
        if status == "finished":  # Another process was faster.
            return directory.result(workdir)
        resumes = status == "resumable"
        built = build_complete(config, data_dir, verbose, resumes)
        watched = [*built.callbacks, *callbacks]
        built = dataclasses.replace(built, callbacks=watched)
        return train(built, workdir, verbose)


def held_if_chief(config, workdir):
    """Returns a context that locks a directory, on the worker that writes."""
    if training.is_chief(config.distribute):
        return directory.held(workdir)
    return contextlib.nullcontext()


def mend(workdir):
    """Restores the `saved_model` of a finished run, if it alone is lost.

    It also removes what a killed process has left.

    Returns:
        A sentence on what is lost, or `None`.
    """
    workdir = pathlib.Path(workdir)
    lost = directory.damaged(workdir)
    if not lost and directory.is_tidy(workdir):
        return None
    with contextlib.suppress(locks.Held), directory.held(workdir):
        directory.tidy(workdir)  # If it is held, its holder does this.
        if set(lost) == {directory.SAVED_MODEL}:
            path = workdir / directory.MODEL
            model = saved_models.load(path, compile=False)
            saved_model.replace(model, workdir / directory.SAVED_MODEL)
            directory.finish(workdir, directory.result(workdir))
            return None
    if not lost:
        return None
    words = ", ".join(f"{name} is {what}" for name, what in lost.items())
    return (
        f"{workdir} holds this run finished, but {words}. That cannot be made "
        f"of the rest: remove {workdir / directory.DONE}, and the run starts "
        "over."
    )


def _prepare(run, workdir):
    status = directory.status(workdir, run.config)
    if status == "finished":
        raise ValueError(f"{workdir} holds this run finished.")
    if status == "resumable":
        return
    if not run.pruned:
        raise ValueError(
            f"{workdir} has no checkpoint to take the masks from. Build the "
            "run with `resumes=False`."
        )
    directory.start(workdir, _record(run.config))


def _tensorboard(run, workdir):
    if not run.config.tensorboard or workdir is None:
        return []
    return [keras.callbacks.TensorBoard(workdir / directory.TENSORBOARD)]


def _record(config):
    return {
        "config": config.to_dict(),
        "seed": config.seed,
        "seeds": derived_seeds(config),
        "versions": {
            "kprune": __version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "host": platform.node(),
    }


def _save(run, plain, workdir):
    rows = report(run.model).to_dict()
    files.write_json(workdir / directory.REPORT, rows)
    if run.config.pruner.method != DENSE:
        kept = wrapping.get_masks(run.model)
        masks.save(kept, workdir / directory.MASKS)
    if run.config.artifacts:
        with _as_keras_can_load(plain):
            files.write_keras(workdir / directory.MODEL, plain)
        saved_model.replace(plain, workdir / directory.SAVED_MODEL)


def _as_keras_can_load(plain):
    """Leaves out a compile config that Keras cannot load without kprune."""
    compiled = keras.saving.serialize_keras_object(plain.get_compile_config())
    if "kprune" in str(compiled):
        return keras_internals.not_compiled(plain)
    return contextlib.nullcontext()
