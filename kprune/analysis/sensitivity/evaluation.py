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
    """Reads data into `Batches` and chooses the loss to evaluate by.

    Args:
        model: A built Keras model.
        data: As for `kprune.sensitivity`.
        loss: A loss, or `None` for the model's own.

    Returns:
        `(batches, loss)`. The loss is `None` where the model is evaluated with
        the loss and metrics that it is compiled with.

    Raises:
        ValueError: If the data does not fit the model, or is endless.
    """
    own = model.compiled and loss is None
    # Compiled without a loss, a model may compute its own: nothing to check.
    if own and losses.compiled_loss(model) is None:
        batches = reader.Batches(data)
    else:
        found = scoring_data.read(model, data, loss, ScoringConfig())
        batches, loss = found.batches, None if own else found.loss
    batches.count()  # Reads all batches; raises if the data is endless.
    return batches, loss


class Evaluation:
    """Evaluates a model on the same batches with any masks.

    It evaluates one copy of the model, which is traced once. The copy computes
    with `where(mask, w, 0)` and keeps the stored values, so that only masks
    are set and no weight has to be restored.

    Args:
        model: A built Keras model. It is not modified.
        batches, loss: As `read` returns them.
    """

    def __init__(self, model, batches, loss):
        copy = wrapping.wrap(model, keep_pruned_values=True)
        if loss is not None:
            copy.compile(loss=loss)
        elif not copy.compiled:
            raise ValueError(
                f"A copy of {model.name!r} cannot be compiled as the model is. "
                "Expected a loss and metrics that Keras can rebuild from "
                "their configs: pass `loss=`, or register their classes."
            )
        self._batches = batches
        self._data = as_dataset(batches)
        self._view = weights.find(copy)
        self._masks = wrapping.get_masks(copy)
        self._changed = ()  # Names of masks that differ from the model's own.

    @property
    def examples(self):
        """The number of examples to evaluate on."""
        count = self._batches.count()
        return sum(reader.size(self._batches.at(i)) for i in range(count))

    def measure(self, masks):
        """Returns the metrics by name, with `masks` in place of the model's
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
        """Returns the better direction of each metric, `"min"` or `"max"`.

        Metrics whose direction is unknown are left out.

        Args:
            metrics: Names of metrics.
            chosen: The name of one of them.
            mode: The direction of `chosen`, or `"auto"` to look it up.

        Raises:
            ValueError: If the direction of `chosen` is unknown.
        """
        known = keras_internals.directions(self._view.model)
        found = {name: _mode(name, known) for name in metrics}
        if mode != "auto":
            found[chosen] = mode
        if found[chosen] is None:
            raise ValueError(
                f"kprune does not know whether a higher {chosen!r} is better. "
                'Expected `mode="max"` or `mode="min"`.'
            )
        return {name: way for name, way in found.items() if way is not None}


def as_dataset(batches):
    """Returns batches as a `tf.data.Dataset`.

    From a generator, Keras would build and trace a new one at each evaluation.
    """
    places = range(batches.count())

    def read():
        return (keras.tree.lists_to_tuples(batches.at(i)) for i in places)

    specs = functools.reduce(_common, map(_specs, read()))
    made = tf.data.Dataset.from_generator(read, output_signature=specs)
    options = tf.data.Options()
    # There is nothing to tune, and the end of each pass would wait for the
    # thread that tunes, by up to as long as the pass took.
    options.autotune.enabled = False
    made = made.with_options(options)
    return made.apply(tf.data.experimental.assert_cardinality(len(places)))


def _specs(batch):
    return keras.tree.map_structure(examples.spec, batch)


def _common(one, other):
    """Returns the most specific specs that cover both batches, which may
    differ in length."""
    return keras.tree.map_structure(
        lambda a, b: a.most_specific_common_supertype([b]), one, other
    )


def choose(metric, measured):
    """Returns the name of the measured metric to show: by default the first
    that is not a loss, else the loss."""
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
    """Returns the better direction of a metric, or `None` if it is unknown.

    `evaluate` may put the name of an output before that of the metric.
    """
    if _is_loss(name):
        return "min"
    ways = {
        way
        for metric, way in known.items()
        if name == metric or name.endswith(f"_{metric}")
    }
    return ways.pop() if len(ways) == 1 else None
