"""From a config to data and a pruned model."""

import dataclasses
import inspect

import keras
import tensorflow as tf
from ml_collections import ConfigDict

from kprune import datasets, lookup, models, seeds
from kprune.experiment.config import DENSE, complete
from kprune.pruning import prune


@dataclasses.dataclass(frozen=True)
class Run:
    """What a config stands for, built: it has not trained yet.

    Args:
        config: `ConfigDict`, complete.
        model: Compiled Keras model, pruned; a plain one if the method is
            `"dense"`.
        train: `tf.data.Dataset` of batches.
        validation: `tf.data.Dataset`, measured after each epoch: the images
            held out by `config.dataset.validation`, else the test set.
        test: `tf.data.Dataset`.
    """

    config: ConfigDict
    model: keras.Model
    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset


def build(config, data_dir=None, verbose="auto"):
    """Loads the data, builds the model, prunes and compiles it.

    Nothing is written, but for data sets that are downloaded.

    Args:
        config: Config, complete or not.
        data_dir: As for `kprune.datasets.load`.
        verbose: As for `fit`.

    Returns:
        A `Run`.

    Raises:
        ValueError: If the config asks for something there is not.
        RuntimeError: If the data set is not to be had.
    """
    config = complete(config)
    train, *held_out, test = _load(config, data_dir, "data order")
    model = _model(config)
    optimizer = _optimizer(config.training)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if config.pruner.method != DENSE:
        model = _pruned(model, config, data_dir, loss, verbose)
    model.compile(
        optimizer,
        loss,
        metrics=["accuracy"],
        steps_per_execution=config.training.steps_per_execution,
        jit_compile=config.training.jit_compile,
    )
    if config.training.steps_per_epoch is not None:
        train = train.take(config.training.steps_per_epoch)
    return Run(config, model, train, held_out[0] if held_out else test, test)


def derived_seeds(config):
    """Returns the seeds of a config, by what they are for.

    They are derived from `config.seed`, unless a section has its own.
    """
    own = {
        "initialization": config.model.seed,
        "data order": config.dataset.seed,
        "pruning": config.pruner.seed,
    }
    return {
        purpose: int(seeds.stream(config.seed, purpose).integers(2**31))
        if seed is None
        else seed
        for purpose, seed in own.items()
    }


def _load(config, data_dir, purpose, batch_size=None):
    arguments = _given(config.dataset)
    arguments["seed"] = derived_seeds(config)[purpose]
    arguments["batch_size"] = batch_size or config.dataset.batch_size
    return datasets.load(**arguments, data_dir=data_dir)


def _model(config):
    info = datasets.info(config.dataset.name)
    options = {
        "classes": info.classes,
        "input_shape": info.input_shape,
        **_given(config.model),
        "seed": derived_seeds(config)["initialization"],
    }
    try:
        return models.get(**options)
    except TypeError as error:
        raise ValueError(
            f"Model {config.model.name!r} does not take the options in "
            f"`config.model`. {error}"
        ) from error


def _pruned(model, config, data_dir, loss, verbose):
    arguments = _given(config.pruner)
    options = arguments.pop("options")
    batch_size = arguments.pop("batch_size", None)

    def batches():
        # A generator: a method that looks at no data does not load it again.
        # A pass over the training set's own batches would change their order.
        yield from _load(config, data_dir, "pruning", batch_size)[0]

    arguments["seed"] = derived_seeds(config)["pruning"]
    arguments["verbose"] = 0 if verbose == 2 else verbose  # 2 has no bars.
    return prune(model, data=batches(), loss=loss, **arguments, **options)


def _optimizer(training):
    choices = {}
    for name, value in vars(keras.optimizers).items():
        if isinstance(value, type) and "learning_rate" in _arguments(value):
            choices[name.lower()] = value
    optimizer = lookup.choose(training.optimizer, choices, "optimizer")
    options = training.optimizer_options.to_dict()
    for name in options:
        if name not in _arguments(optimizer):
            what = f"option of optimizer {training.optimizer!r}"
            raise ValueError(lookup.unknown(name, _arguments(optimizer), what))
    return optimizer(learning_rate=training.learning_rate, **options)


def _arguments(function):
    return set(inspect.signature(function).parameters) - {"kwargs"}


def _given(section):
    """Returns the arguments in a section that are not left to defaults."""
    return {k: v for k, v in section.to_dict().items() if v is not None}
