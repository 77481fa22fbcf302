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
from kprune.runtime.types import Data, Loss, Model
from kprune.scoring import data as scoring_data
from kprune.scoring import losses
from kprune.scoring.config import ScoringConfig
from kprune.scoring.exact_moments import scoring


@dataclasses.dataclass(frozen=True)
class Line:
    """Losses and accuracies along the line between two networks.

    Args:
        shares: Tuple of positions t in [0, 1]: 0 is the first network, 1 the
            second.
        losses: Tuple of the losses there.
        accuracies: Tuple of the accuracies there, in [0, 1].
    """

    shares: tuple[float, ...]
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def loss_barrier(self) -> float:
        """The largest loss on the line, less the mean of the two ends."""
        return max(self.losses) - (self.losses[0] + self.losses[-1]) / 2

    @property
    def error_barrier(self) -> float:
        """The largest error on the line, less the mean of the two ends."""
        ends = (self.accuracies[0] + self.accuracies[-1]) / 2
        return ends - min(self.accuracies)

    def __str__(self) -> str:
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
    a: Model,
    b: Model,
    data: Data,
    points: int = 11,
    *,
    loss: Loss | None = None,
    statistics_from: Data | None = None,
) -> Line:
    """Measures loss and accuracy along the line between two networks.

        w(t) = (1 - t) w_a + t w_b

    for all weights, biases and moving statistics of batch normalization. Two
    runs of a ticket that are linearly connected show no barrier. Interpolated
    statistics need not be those of the interpolated network:
    `statistics_from` computes them anew.

    Args:
        a, b: Keras models with the same layers, wrapped or not. Neither is
            modified.
        data: Data to measure on, as for `kprune.prune`; it must be finite.
        points: Integer >= 2, the number of networks to measure, ends included.
        loss: As `compile` takes it. Defaults to the loss that `a` is compiled
            with.
        statistics_from: Finite data to recompute the statistics of batch
            normalization from at every point, ends included, as the mean over
            its batches. `None` interpolates them.

    Returns:
        A `Line`.

    Raises:
        ValueError: If the models differ in their variables, if there is no
            loss, or if an argument is invalid.

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
    # In a stripped model, pruned entries are stored as zeros.
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
    """Returns the `Batches` of finite data that fits the model."""
    found = scoring_data.read(model, data, loss, ScoringConfig()).batches
    found.count()  # Reads all batches; raises if the data is endless.
    return found


def _ends(one, other):
    """Returns (variable of `one`, its value, its value in `other`) for each
    float variable."""
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
    """Sets the statistics of batch normalization to means over batches, in
    place: the model must be a private copy, since its momenta change too."""
    kind = keras.layers.BatchNormalization
    every = keras_internals.all_layers(model)
    layers = [layer for layer in every if isinstance(layer, kind)]
    # Batch statistics, but no dropout, unlike `training=True`.
    with scoring(batch_statistics=True):
        for number in range(batches.count()):
            for layer in layers:
                # Makes the moving average a plain mean of the batches so far.
                layer.momentum = number / (number + 1)
            model(batches.at(number)[0], training=False)


def _evaluated(model, data):
    """Returns the loss and accuracy on `Batches`."""
    batches = (data.at(place) for place in range(data.count()))
    found = model.evaluate(batches, return_dict=True, verbose=0)
    if "accuracy" not in found:
        raise ValueError(
            "Expected a model with one output, of classes. Received metrics: "
            f"{sorted(found)}"
        )
    return float(found["loss"]), float(found["accuracy"])
