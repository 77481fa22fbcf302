"""Prepares the batches and the loss that scores are computed on."""

import contextlib
import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from kprune.runtime import (
    distribution,
    examples,
    keras_internals,
    output_losses,
)
from kprune.runtime.words import one_line
from kprune.scoring import batches as reader
from kprune.scoring import losses, synthetic


@dataclasses.dataclass(frozen=True)
class ScoringData:
    """Batches and loss, checked against each other and the model.

    Attributes:
        batches: The scoring batches.
        loss: As `compile` takes it.
        function: Function of (y_true, y_pred, temperature, sample_weight) that
            returns the mean loss over the examples, a scalar.
    """

    batches: reader.Batches
    loss: object
    function: Callable


def read(model, data, loss, scoring, seed=0, dtype="float32"):
    """Opens the data, resolves the loss, and checks both against the model.

    `data`, `loss`, `scoring` and `seed` are those of `kprune.prune`; the loss
    is computed in `dtype`.

    Raises:
        ValueError: If inputs, labels, loss and model do not fit together.
    """
    found = _batches(model, data, loss, scoring, seed)
    x, y, *_ = found.at(0)
    inferred = loss is None and losses.compiled_loss(model) is None
    outputs = _outputs_on(model, x, whole=inferred)
    loss = losses.resolve(model, loss, outputs, y)
    found.check(
        lambda batch: losses.check_labels(
            model, loss, _like(outputs, batch[1]), batch[1]
        )
    )
    stated = losses.compiled_loss(model) if loss is None else loss
    if scoring.objective == "neg_logit":
        inner = losses.neg_logit(stated)
    else:
        inner = keras_internals.training_loss(model, loss, dtype)

    each = output_losses.by_output(model, stated, outputs)

    def function(y_true, y_pred, temperature=1.0, sample_weight=None):
        y_pred = losses.soften(each, y_pred, temperature)
        return inner(y_true, y_pred, sample_weight)

    try:
        # Builds the loss' metric trackers, which is impossible in a trace.
        alike = _like(outputs, y)
        function(y, keras.tree.map_structure(tf.convert_to_tensor, alike))
    except Exception as error:
        raise ValueError(
            f"The labels do not fit the loss: {one_line(error)}"
        ) from error
    found.check(
        lambda batch: distribution.check_agreement(
            model.distribute_strategy,
            batch,
            "The workers read different batches. Expected the same data on "
            "every worker, in the same order and not sharded: each replica "
            "takes its share of each batch by itself.",
        )
    )
    return ScoringData(found, stated, function)


def _batches(model, data, loss, scoring, seed):
    size = scoring.batch_size
    if data is None:
        made = synthetic.batch(model, loss, size, seed)
        return reader.Batches(made, reader.size(made))
    if scoring.per_class is not None:
        drawn = reader.class_balanced(data, scoring.per_class, seed)
        return reader.Batches(drawn, size)
    return reader.Batches(data, size)


def _outputs_on(model, x, whole):
    """Runs the model on the first batch, to check that it fits: on all of it
    if `whole`, else on its first example where the model allows that."""
    if not whole:
        # Some models have a fixed batch size; they get the whole batch below.
        with contextlib.suppress(Exception):
            first = keras.tree.map_structure(lambda a: a[:1], x)
            return _outputs_on(model, first, whole=True)
    try:
        with keras_internals.stateless(model):
            outputs = model(x, training=False)
    except Exception as error:
        shapes = keras.tree.map_structure(examples.shape, x)
        raise ValueError(
            f"`data` does not fit model {model.name!r}. Received inputs of "
            f"shape {shapes}: {one_line(error)}"
        ) from error
    return keras.tree.map_structure(
        lambda z: np.asarray(keras.ops.cast(z, "float32")), outputs
    )


def _like(outputs, labels):
    """Broadcasts outputs to the batch size of the labels, to check shapes."""
    count = examples.count(keras.tree.flatten(labels)[0])
    return keras.tree.map_structure(
        lambda z: np.broadcast_to(z[:1], (count, *z.shape[1:])), outputs
    )
