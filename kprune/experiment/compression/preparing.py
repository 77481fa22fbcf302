"""Validates the arguments of a compression before training."""

import dataclasses

import tensorflow as tf

from kprune.analysis.report import report
from kprune.experiment.compression import quality, training_data
from kprune.experiment.compression.goals import Goal
from kprune.experiment.compression.quality import Quality
from kprune.experiment.compression.store import digest, values_of
from kprune.experiment.compression.training_data import Training
from kprune.masking import wrapping
from kprune.pruning import recipes
from kprune.runtime import checks, digests, keras_internals
from kprune.tickets import arguments
from kprune.training import Distiller, fitting_data


@dataclasses.dataclass(frozen=True, eq=False)
class Recipe:
    """The settings by which each candidate is made and judged.

    Attributes:
        model: The model to compress, wrapped; it is not modified.
        goal: A `Goal`.
        method: As of `kprune.compress`.
        training: A `training_data.Training`.
        learner: Function from a candidate to the model to train: itself, or a
            `Distiller`.
        quality: A `Quality`.
        max_drop: Number, or `None` for any.
        shrinks: Whether candidates are made physically smaller.
        seed: Integer.
        verbose: As of `fit`.
    """

    model: object
    goal: Goal
    method: object
    training: Training
    learner: object
    quality: Quality
    max_drop: float | None
    shrinks: bool
    seed: int
    verbose: object


def copies(model):
    """Returns a wrapped and a plain copy of a model, compiled like it."""
    if not model.compiled:
        raise ValueError(
            f"Model {model.name!r} is not compiled. Expected a trained model "
            "that is compiled with a loss, an optimizer and a metric."
        )
    if keras_internals.spans_workers(model.distribute_strategy):
        raise ValueError(
            "Candidates are trained by one process. Expected a model of no "
            "strategy of several workers."
        )
    wrapped, plain = wrapping.wrap(model), wrapping.strip(model)
    if not (wrapped.compiled and plain.compiled):
        raise ValueError(
            f"Copies of model {model.name!r} cannot be compiled as it is. "
            "Expected a loss and metrics that Keras can save, and a class "
            "without a `compile` of its own."
        )
    return wrapped, plain


def tuning(plain, train, finetune, batch_size, seed):
    """Returns the `Training` of all candidates, and checks its data."""
    finetune = training_data.fine_tuning("finetune", finetune)
    if not callable(train) or isinstance(train, tf.data.Dataset):
        fitting_data.check(plain, train, "train")
    length = finetune.steps_per_epoch
    return Training(
        finetune,
        training_data.steps(train, length, batch_size, seed),
        digests.of_data(train),
    )


def judge(plain, validation, metric, mode, batch_size):
    """Returns the `Quality` of the model's metric on validation data."""
    fitting_data.check(plain, validation, "validation")
    batches, count = quality.batched(validation, batch_size)
    found = plain.evaluate(batches, return_dict=True, verbose=0)
    name, sign = quality.find_metric(found, metric, mode, plain.name)
    # These identify the data; four digits hide numerical noise.
    before = {key: f"{value:.4g}" for key, value in sorted(found.items())}
    return Quality(batches, count, name, sign, before)


def check_distill(name, value):
    """Returns the options of the `Distiller`, or `None` for none."""
    if isinstance(value, dict):
        return checks.dict_of(lambda *_: None, "options")(name, value)
    checks.boolean(name, value)
    return {} if value else None


def learner(wrapped, plain, distill):
    """Returns the function from a candidate to the model to train.

    That is itself, or a `Distiller`, which is first built on the model once to
    check its options.
    """
    options = check_distill("distill", distill)
    if options is None:
        return lambda network: network

    def learns(network):
        return Distiller(network, **{"teacher": plain, **options})

    try:
        learns(wrapped)
    except TypeError as error:
        raise ValueError(
            f"Invalid value for argument `distill`: {error}"
        ) from (error)
    return learns


def start(wrapped, goal):
    """Returns the share that the model has left before pruning.

    Raises:
        ValueError: If that meets the target, or cannot be counted.
    """
    found = report(wrapped, paths=False)
    if goal.sized_by == "sparsity":
        share = 1 - found.sparsity
    elif goal.sized_by == "parameters":
        share = found.model_kept / found.model_total
    elif found.multiply_adds:
        share = found.sparse_multiply_adds / found.multiply_adds
    else:
        raise ValueError(
            f"The multiply-adds of model {wrapped.name!r} cannot be counted: "
            f"{found.untraced or 'it has none'}. Expected a target of "
            "parameters, bytes or a sparsity."
        )
    if goal.left is not None and not goal.measured and share <= goal.left:
        raise ValueError(
            f"The target is met already: {goal} is asked for, and "
            f"{share:.4g} is left. Expected a target below that."
        )
    return share


def settings(recipe, step, distill):
    """Returns the settings that all candidates depend on, for JSON."""
    how = recipe.training
    method, teaching = recipe.method, bool(distill)
    if method == "auto":
        method = list(recipe.goal.ways(method))
    elif not isinstance(method, str):
        method = _method(recipes.get(method))
    if isinstance(distill, dict):
        teaching = {
            name: digest(values_of(value))
            if name == "teacher"
            else arguments.named(value)
            for name, value in distill.items()
        }
    return {
        "model": digest(values_of(recipe.model)),
        "goal": dataclasses.asdict(recipe.goal),
        "max_drop": recipe.max_drop,
        "method": method,
        "finetune": how.finetune.settings(),
        "train": how.data,
        "steps_per_epoch": how.steps.per_epoch,
        "distill": teaching,
        "shrink": bool(recipe.shrinks),
        "metric": [recipe.quality.name, recipe.quality.sign],
        "validation": [recipe.quality.count, recipe.quality.before],
        "step": float(step),
        "seed": int(recipe.seed),
    }


def _method(pruner):
    """Returns the settings of a pruner or a chain of them, for JSON."""
    more = ("schedule", "rounds", "recover", "after_pruning")
    return [
        arguments.pruner_settings(one, {}, one, sizes=None, more=more)
        for one in getattr(pruner, "pruners", (pruner,))
    ]
