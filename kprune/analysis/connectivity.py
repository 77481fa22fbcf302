"""Tests whether two trained networks lie in one basin of the loss.

Frankle et al., 2020, Linear mode connectivity and the lottery ticket
hypothesis: https://arxiv.org/abs/1912.05671.
"""

import dataclasses

import keras
import numpy as np

from kprune.analysis.overlap import differing
from kprune.masking import weights, wrapping
from kprune.runtime import checks, fit_arguments, keras_internals
from kprune.runtime.doors import checked
from kprune.scoring import data as scoring_data
from kprune.scoring import losses
from kprune.scoring.config import ScoringConfig
from kprune.scoring.exact_moments import scoring


@dataclasses.dataclass(frozen=True)
class Line:
    """What the networks on the line between two networks come to.

    Args:
        shares: Tuple of numbers from 0, the first network, to 1, the second.
        losses: Tuple of their losses.
        accuracies: Tuple of their accuracies, in [0, 1].
    """

    shares: tuple
    losses: tuple
    accuracies: tuple

    @property
    def loss_barrier(self):
        """The largest loss on the line, less the mean of the two ends."""
        return max(self.losses) - (self.losses[0] + self.losses[-1]) / 2

    @property
    def error_barrier(self):
        """The largest error on the line, less the mean of the two ends."""
        ends = (self.accuracies[0] + self.accuracies[-1]) / 2
        return ends - min(self.accuracies)

    def __str__(self):
        lines = ["share    loss  accuracy"]
        rows = zip(self.shares, self.losses, self.accuracies, strict=True)
        for share, loss, accuracy in rows:
            lines.append(f"{share:5.2f}  {loss:6.4g}  {accuracy:8.4f}")
        lines.append(
            f"barriers: loss {self.loss_barrier:.4g}, "
            f"error {self.error_barrier:.4f}"
        )
        return "\n".join(lines)


@checked(
    a=checks.model,
    b=checks.model,
    data=fit_arguments.finite_data,
    points=checks.at_least(2),
    statistics_from=checks.optional(fit_arguments.finite_data),
)
def linear_connectivity(
    a, b, data, points=11, *, loss=None, statistics_from=None
):
    """Measures loss and accuracy along the line between two networks.

        w(t) = (1 - t) w_a + t w_b

    of all weights, biases and moving statistics of batch normalization. Two
    runs of a ticket that are linearly connected show no barrier. Statistics
    half way between two networks need not be those of the network there:
    `statistics_from` takes them anew.

    Args:
        a, b: Keras models of the same layers, wrapped or not. They are left
            as they were.
        data: What to measure on, as for `kprune.prune`: data that ends.
        points: Integer >= 2, how many networks to measure, ends included.
        loss: As `compile` takes it. Defaults to that `a` is compiled with.
        statistics_from: Data whose batches, each counted alike, the
            statistics of batch normalization are taken of at every point, the
            ends included; or `None`, to interpolate them.

    Returns:
        A `Line`.

    Raises:
        ValueError: If the models differ in their variables, or an argument
            does not fit.

    Example:

    >>> other = kprune.models.conv2(input_shape=(8, 8, 1), seed=1)
    >>> line = kprune.analysis.linear_connectivity(
    ...     model, other, train.take(2), points=3, loss=keras.losses
    ...     .SparseCategoricalCrossentropy(from_logits=True)
    ... )
    >>> line.shares
    (0.0, 0.5, 1.0)
    """
    loss = losses.compiled_loss(a) if loss is None else loss
    if loss is None:
        raise ValueError(
            "`linear_connectivity` needs a loss. Compile the first model, or "
            "pass `loss=`."
        )
    # Stripped, what is pruned in one of them is zero at its end.
    walker, other = wrapping.strip(a), wrapping.strip(b)
    pairs = _ends(walker, other)
    walker.compile(loss=loss, metrics=["accuracy"])
    read = _read(walker, data, loss)
    batches = None
    if statistics_from is not None:
        batches = _read(walker, statistics_from, loss)
    shares, measured = tuple(np.linspace(0, 1, points).tolist()), []
    for share in shares:
        for variable, start, end in pairs:
            variable.assign((1 - share) * start + share * end)
        if batches is not None:
            _take_statistics(walker, batches)
        measured.append(_evaluated(walker, read))
    found = zip(*measured, strict=True)
    return Line(shares, *found)


def _read(model, data, loss):
    """Returns the `Batches` of data that has an end and fits the model."""
    found = scoring_data.read(model, data, loss, ScoringConfig()).batches
    found.count()  # Reads them all, and raises if there is no end.
    return found


def _ends(one, other):
    """Returns (variable of `one`, value there, value in `other`) of all that
    is interpolated."""
    first, second = dict(weights.named(one)), dict(weights.named(other))
    if differ := differing(first, second):
        raise ValueError(
            "Expected two models with the same variables, by name and shape "
            "(name the layers where Keras' own numbers differ). They differ "
            f"in: {differ}"
        )
    return [
        (variable, np.array(variable), np.array(second[name]))
        for name, variable in first.items()
        if keras.backend.is_float_dtype(variable.dtype)
    ]


def _take_statistics(model, batches):
    """Sets the statistics of batch normalization to means over batches, in a
    model that is ours alone."""
    kind = keras.layers.BatchNormalization
    every = keras_internals.all_layers(model)
    layers = [layer for layer in every if isinstance(layer, kind)]
    with scoring(batch_statistics=True):  # Without dropout, unlike training.
        for number in range(batches.count()):
            for layer in layers:
                layer.momentum = number / (number + 1)  # The mean so far.
            model(batches.at(number)[0], training=False)


def _evaluated(model, data):
    """Returns the loss and the accuracy on `Batches`."""
    batches = (data.at(place) for place in range(data.count()))
    found = model.evaluate(batches, return_dict=True, verbose=0)
    if "accuracy" not in found:
        raise ValueError(
            "Expected a model with one output, of classes. Received metrics: "
            f"{sorted(found)}"
        )
    return float(found["loss"]), float(found["accuracy"])
