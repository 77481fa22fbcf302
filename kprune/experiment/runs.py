"""Turns a config into data and a pruned model."""

import contextlib
import dataclasses
import importlib.util
import inspect
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from ml_collections import ConfigDict

from kprune import datasets, models, training
from kprune.experiment import identity, shares, sources
from kprune.experiment.config import DENSE, complete
from kprune.experiment.preparation import prepare
from kprune.experiment.tracking import destinations
from kprune.models import own as own_models
from kprune.runtime import (
    checks,
    distribution,
    lookup,
    own_names,
    seeds,
    types,
)


@dataclasses.dataclass(frozen=True)
class Run:
    """The data and model of a config, before training.

    Args:
        config: `ConfigDict`, complete.
        model: Compiled Keras model, pruned; a plain one if the method is
            `"dense"`.
        train: Function from a step, counted over all epochs, to an endless
            `tf.data.Dataset` of batches that begins there, as
            `kprune.training.fit` takes it; distributed under several workers.
        steps_per_epoch: Integer.
        validation: `tf.data.Dataset` to evaluate on after each epoch: the
            images held out by `config.dataset.validation`, else the test set.
        test: `tf.data.Dataset`.
        callbacks: List of the method's callbacks, which prune during
            training, and those of `config.training.callbacks`.
        pruned: Whether the method has run here; otherwise a checkpoint
            restores the masks.
    """

    config: ConfigDict
    model: keras.Model
    train: Callable
    steps_per_epoch: int
    validation: tf.data.Dataset
    test: tf.data.Dataset
    callbacks: list
    pruned: bool


def build(
    config: ConfigDict | dict[str, Any],
    data_dir: types.Path | None = None,
    verbose: str | int = "auto",
    resumes: bool = False,
    worker_timeout: float = training.WORKER_TIMEOUT,
) -> Run:
    """Loads the data, then builds, prunes and compiles the model.

    It writes nothing but downloaded data sets. With
    `config.distribute="multi_worker"`, call it once, before TensorFlow
    computes anything in this process.

    Args:
        config: `ConfigDict` or dict, complete or not.
        data_dir, verbose: As for `kprune.datasets.load`, and for `fit`.
        resumes: Whether a checkpoint will restore the masks, so that nothing
            is scored here.
        worker_timeout: Seconds to wait for the other workers, which must have
            the same config.

    Returns:
        A `Run`.

    Raises:
        ValueError: If the config is invalid, or names something unknown.
        RuntimeError: If the data set cannot be loaded.
    """
    return build_complete(
        complete(config), data_dir, verbose, resumes, worker_timeout
    )


def build_complete(
    config,
    data_dir,
    verbose,
    resumes,
    worker_timeout=training.WORKER_TIMEOUT,
):
    """Returns the `Run` of a complete config; see `build`."""
    _check_tensorboard(config)
    destinations.check(config.track)
    sources.check(config.to_dict())
    same = {**identity.every_leaf(config), "goes on from a checkpoint": resumes}
    strategy = training.strategy(
        config.distribute, timeout=worker_timeout, settings=same
    )
    whole, *held_out, test = _load(config, data_dir)
    steps = config.training.steps_per_epoch or len(whole)
    shares.check(config, distribution.replicas(strategy))
    with strategy.scope():
        model = _network(config)
        optimizer = _optimizer(config.training, steps)
        loss = _loss(config.training, model, config.model.name)
    prepared = _prepared(model, config, data_dir, loss, verbose, resumes)
    model = prepared.model
    with strategy.scope():
        model.compile(
            optimizer,
            loss,
            metrics=["accuracy", *_own_metrics(config.training)],
            steps_per_execution=_steps_per_execution(config, strategy, steps),
            jit_compile=config.training.jit_compile,
        )
    return Run(
        config=config,
        model=model,
        train=_training_set(config, data_dir, strategy),
        steps_per_epoch=steps,
        validation=held_out[0] if held_out else test,
        test=test,
        callbacks=[*prepared.callbacks, *_own_callbacks(config.training)],
        pruned=not resumes or config.pruner.method == DENSE,
    )


def network(config: ConfigDict | dict[str, Any]) -> types.Model:
    """Returns the initialized model of a config, neither pruned nor compiled.

    Raises:
        ValueError: If the model is unknown, or does not fit the labels.
    """
    return _network(complete(config))


def _network(config):
    info = datasets.info(config.dataset.name)
    options = {
        "classes": info.classes,
        "input_shape": info.input_shape,
        **_given(config.model),
        "seed": derived_seeds(config)["initialization"],
    }
    classes = options["classes"]
    expected = f"{info.classes} or more, for the labels of {info.name!r}"
    fit = classes >= info.classes
    checks.require(fit, "config.model.classes", classes, expected)
    with _precision(config.precision):
        try:
            return models.get(**options)
        except TypeError as error:
            raise ValueError(
                f"Model {config.model.name!r} does not take the options in "
                f"`config.model`. {error}"
            ) from error


def derived_seeds(config):
    """Returns the seeds of a config, by purpose.

    They derive from `config.seed`, unless a section sets its own.
    """
    found = {
        "initialization": config.model.seed,
        "data order": config.dataset.seed,
        "pruning": config.pruner.seed,
    }
    for purpose, seed in found.items():
        if seed is None:
            stream = seeds.stream(config.seed, purpose)
            found[purpose] = int(stream.integers(2**31))
    return found


def _load(config, data_dir, purpose="data order", **changes):
    arguments = _given(config.dataset)
    arguments["seed"] = derived_seeds(config)[purpose]
    return datasets.load(**arguments | changes, data_dir=data_dir)


def _training_set(config, data_dir, strategy):
    """Returns the function from a step to the batches from there on."""
    workers = distribution.workers(strategy)
    if workers == 1:
        return lambda step: _load(config, data_dir, start=step)[0]

    def train(step):
        def share(context):
            shard = (context.input_pipeline_id, workers)
            batches, *_ = _load(config, data_dir, start=step, shard=shard)
            size = config.dataset.batch_size
            # TensorFlow gives them to the replicas of this worker in turn.
            return batches.rebatch(context.get_per_replica_batch_size(size))

        return strategy.distribute_datasets_from_function(share)

    return train


def _check_tensorboard(config):
    if config.tensorboard and not importlib.util.find_spec("tensorboard"):
        raise ValueError(
            "`config.tensorboard` needs the package tensorboard: "
            "pip install 'kprune[tensorboard]'."
        )


def _steps_per_execution(config, strategy, steps):
    """Returns how many steps to run at once; the results do not depend on it.

    It must divide an epoch, and Keras runs one at a time on several workers.
    """
    if distribution.workers(strategy) > 1:
        return 1
    largest = config.training.steps_per_execution
    return training.divisor(steps, min(steps, largest))


_PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@contextlib.contextmanager
def _precision(name):
    """Sets the dtype policy for the layers that a block makes."""
    lookup.choose(name, dict.fromkeys(_PRECISIONS), "precision")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _prepared(model, config, data_dir, loss, verbose, resumes):
    arguments = _given(config.pruner)
    arguments.update(arguments.pop("options"))
    method = arguments.pop("method")
    batch_size = arguments.pop("batch_size", config.dataset.batch_size)

    def batches():
        # A generator: a method that reads no data does not load it again.
        yield from _load(config, data_dir, "pruning", batch_size=batch_size)[0]

    arguments["seed"] = derived_seeds(config)["pruning"]
    arguments["verbose"] = 0 if verbose == 2 else verbose  # 2 has no bars.
    return prepare(model, method, arguments, batches(), loss, resumes)


def _own_metrics(config):
    return [own_names.get(name, "metric") for name in config.metrics or ()]


def _own_callbacks(config):
    """Returns the callbacks that the user's functions make."""
    found = []
    for name in config.callbacks or ():
        callback = own_names.called(name, "callback", {}, {})
        fits = isinstance(callback, keras.callbacks.Callback)
        expected = "a keras.callbacks.Callback"
        checks.require(fits, f"callback {name!r}", callback, expected)
        found.append(callback)
    return found


def _loss(config, model, name):
    if config.loss is not None:
        smoothing, expected = config.label_smoothing, "0 beside `loss`"
        key = "config.training.label_smoothing"
        checks.require(not smoothing, key, smoothing, expected)
        return own_names.get(config.loss, "loss")
    own_models.check_logits(model, name)
    if config.label_smoothing:
        return training.SmoothedCrossentropy(config.label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _optimizer(config, steps_per_epoch):
    choices = {"torch_sgd": training.TorchSGD}
    for name, value in vars(keras.optimizers).items():
        if isinstance(value, type) and "learning_rate" in _arguments(value):
            choices[name.lower()] = value
    if own_names.is_name(config.optimizer):
        optimizer = own_names.get(config.optimizer, "optimizer")
    else:
        optimizer = lookup.choose(config.optimizer, choices, "optimizer")
    options = config.optimizer_options.to_dict()
    of = f"optimizer {config.optimizer!r}"
    lookup.check_options(options, _arguments(optimizer), of)
    rate = training.learning_rates.get(
        config.schedule.to_dict(),
        config.learning_rate,
        steps_per_epoch,
        steps_per_epoch * config.epochs,
    )
    return optimizer(learning_rate=rate, **options)


def _arguments(function):
    return set(inspect.signature(function).parameters) - {"kwargs"}


def _given(section):
    """Returns the arguments in a section that are not `None`."""
    return {k: v for k, v in section.to_dict().items() if v is not None}
