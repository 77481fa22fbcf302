"""Evaluates one copy of a model under many sets of masks."""

import functools
import numbers

import keras
import tensorflow as tf

from kprune.masking import weights, wrapping
from kprune.runtime import examples, keras_internals, lookup
from kprune.scoring import batches as reader
from kprune.scoring import data as scoring_data
from kprune.scoring import losses
from kprune.scoring.config import ScoringConfig


def read(model, data, loss):
    """Returns the `Batches` of data, and the loss to evaluate by.

    Args:
        model: A built Keras model.
        data: As of `kprune.sensitivity`.
        loss: A loss, or `None` for that of the model.

    Returns:
        Two things: the batches, and the loss, or `None` for all that the model
        is compiled with.

    Raises:
        ValueError: If they do not fit the model, or have no end.
    """
    own = model.compiled and loss is None
    if own and losses.compiled_loss(model) is None:  # It has its own way.
        batches = reader.Batches(data)
    else:
        found = scoring_data.read(model, data, loss, ScoringConfig())
        batches, loss = found.batches, None if own else found.loss
    batches.count()  # Reads them all, and raises if there is no end.
    return batches, loss


class Evaluation:
    """Evaluates a model on the same batches with any masks.

    All is done on one copy, whose evaluation is traced once. It computes with
    `where(mask, w, 0)` and keeps what it stores, so that masks alone are set
    and no weight has to be put back.

    Args:
        model: A built Keras model, left as it was.
        batches, loss: As `read` gives them.
    """

    def __init__(self, model, batches, loss):
        copy = wrapping.wrap(model, keep_pruned_values=True)
        if loss is not None:
            copy.compile(loss=loss)
        elif not copy.compiled:
            raise ValueError(
                f"How {model.name!r} is compiled cannot be carried over to a "
                "copy. Expected a loss and metrics that can be made from "
                "their configs: pass `loss=`, or register their classes."
            )
        self._batches = batches
        self._data = as_dataset(batches)
        self._view = weights.find(copy)
        self._masks = wrapping.get_masks(copy)
        self._changed = ()  # The names of masks that are not the model's own.

    @property
    def examples(self):
        """How many examples it evaluates on."""
        count = self._batches.count()
        return sum(reader.size(self._batches.at(i)) for i in range(count))

    def measure(self, masks):
        """Returns the metrics by name, with some masks in place of the model's
        own."""
        own = {name: self._masks[name] for name in self._changed}
        wrapping.set_masks(self._view, {**own, **masks})
        self._changed = tuple(masks)
        model = self._view.model
        found = model.evaluate(self._data, return_dict=True, verbose=0)
        return {
            name: float(value)
            for name, value in found.items()
            if isinstance(value, numbers.Real)
        }

    def modes(self, metrics, chosen, mode):
        """Returns what is better of each metric, `"min"` or `"max"`.

        Args:
            metrics: Names of metrics.
            chosen: The name of one of them.
            mode: What is better of that one, or `"auto"`.

        Raises:
            ValueError: If that is not known.
        """
        known = keras_internals.directions(self._view.model)
        found = {name: _mode(name, known) for name in metrics}
        if mode != "auto":
            found[chosen] = mode
        if found[chosen] is None:
            raise ValueError(
                f"Whether more or less of the metric {chosen!r} is better is "
                'not known. Expected `mode="max"` or `mode="min"` with it.'
            )
        return {name: way for name, way in found.items() if way is not None}


def as_dataset(batches):
    """Returns batches as a `tf.data.Dataset`, made once: Keras would trace
    one of a generator each time that it evaluates."""
    places = range(batches.count())

    def read():
        return (keras.tree.lists_to_tuples(batches.at(i)) for i in places)

    specs = functools.reduce(_common, map(_specs, read()))
    made = tf.data.Dataset.from_generator(read, output_signature=specs)
    return made.apply(tf.data.experimental.assert_cardinality(len(places)))


def _specs(batch):
    return keras.tree.map_structure(examples.spec, batch)


def _common(one, other):
    """Returns specs that both fit: batches may be as long as they like."""
    return keras.tree.map_structure(
        lambda a, b: a.most_specific_common_supertype([b]), one, other
    )


def choose(metric, measured):
    """Returns the name of the metric to show, of those that were measured: by
    default the first that is no loss, or the loss."""
    if metric is not None:
        return lookup.choose(metric, {n: n for n in measured}, "metric")
    others = [name for name in measured if not _is_loss(name)]
    if not measured:
        raise ValueError(
            "Expected a model that is evaluated to numbers, a loss or metrics. "
            "Received: nothing, from `evaluate`"
        )
    return (others or list(measured))[0]


def _is_loss(name):
    return name == "loss" or name.endswith("_loss")


def _mode(name, known):
    """Returns what is better, by the name that a metric, perhaps of one output
    of several, is evaluated under."""
    if _is_loss(name):
        return "min"
    ways = {
        way
        for metric, way in known.items()
        if name == metric or name.endswith(f"_{metric}")
    }
    return ways.pop() if len(ways) == 1 else None
