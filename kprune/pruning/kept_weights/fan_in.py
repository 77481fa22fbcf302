"""Rescales kept weights to the smaller fan-in.

The variants "+rescale" and "+reinit" of 3SP, van Amersfoort et al., 2020: an
initializer sets the variance by the number of inputs of a unit, and a pruned
unit has fewer. OSSuM applies `rescale` before training.
"""

import keras
import numpy as np

from kprune.masking import initializers, weights
from kprune.pruning.granularity.base import as_matrix
from kprune.runtime import types
from kprune.runtime.doors import checked


@checked()
def rescale_variance(model: types.Model, seed: int = 0) -> None:
    """Scales kept weights so that units keep the variance they had.

        w <- w sqrt(inputs of a unit before / remaining inputs)

    where the remaining inputs are the mean over the remaining units, and each
    entry is an input: in a convolution, one for each position of the window.
    Biases and embeddings stay. A second call scales again.

    Args:
        model: A wrapped model, pruned at initialization, changed in place.
        seed: Not used: nothing is drawn.

    Example:

    >>> pruned = kprune.prune(model, "random", 0.5, granularity="channel")
    >>> kprune.kept_weights.rescale_variance(pruned)
    """
    del seed
    for weight, mask in _pruned(model):
        before = _fan_in(weight, np.ones_like(mask))
        scale = np.sqrt(before / _fan_in(weight, mask))
        weight.variable.assign(np.asarray(weight.variable) * scale)


@checked()
def reinitialize(model: types.Model, seed: int = 0) -> None:
    """Redraws kept weights by the initializer for their reduced shape.

    Each kernel with pruned channels is redrawn by its layer's initializer, in
    the shape that it has after `kprune.shrink` has removed them. Kernels
    without pruned channels stay, and so do embeddings and biases:
    `kprune.sanity.reinitialize` redraws all.

    Args:
        model: A wrapped model, pruned by channels, changed in place.
        seed: Integer >= 0, for the draws.

    Raises:
        ValueError: If single weights are pruned, so that the kept weights form
            no tensor, or a layer's initializer is unknown. The model is then
            unchanged.

    Example:

    >>> pruned = kprune.prune(model, "random", 0.5, granularity="channel")
    >>> kprune.kept_weights.reinitialize(pruned, seed=1)
    """
    drawn = [
        (weight.variable, _redrawn(weight, mask, seed))
        for weight, mask in _pruned(model)
    ]
    for variable, value in drawn:
        variable.assign(value)


@checked()
def rescale(model: types.Model) -> None:
    """Scales each weight tensor to the initial range of its reduced fan-in.

        W <- W (1 / sqrt(fan_in)) / max |W|

    with fan_in the number of inputs from which a weight is kept. Biases,
    embeddings and tensors of zeros stay.

    Args:
        model: A Keras model, pruned or not, changed in place. An optimizer
            keeps its state: compile the model again for a fresh one.

    Example:

    >>> pruned = kprune.prune(model, "random", 0.5, granularity="channel")
    >>> kprune.kept_weights.rescale(pruned)
    """
    for weight in weights.find(model):
        if weight.skipped is not None and weight.mask is None:
            continue
        if weight.variable.name == "embeddings":  # Looked up, not summed over.
            continue
        array = np.array(weight.variable.value, np.float64)
        mask = np.ones(array.shape, bool)
        if weight.mask is not None:
            mask = np.array(weight.mask.value, bool)
        largest = np.abs(array[mask]).max(initial=0)
        if largest > 0:
            scale = _inputs(weight.layout, mask) ** -0.5 / largest
            weight.variable.assign(array * scale)


def _pruned(model):
    """Returns the partly pruned weights with masks, without embeddings."""
    found = []
    for weight in weights.find(model):
        if weight.mask is None or weight.variable.name == "embeddings":
            continue
        mask = keras.ops.convert_to_numpy(weight.mask)
        if not mask.all() and mask.any():
            found.append((weight, mask))
    return found


def _fan_in(weight, mask):
    """Returns the mean number of inputs of the units that have any."""
    view = mask.reshape(weight.layout.view)
    axes = range(view.ndim)
    others = tuple(a for a in axes if a not in weight.layout.outputs)
    inputs = view.sum(axis=others)
    return inputs[inputs > 0].mean()


def _inputs(layout, mask):
    """Returns how many inputs are read by at least one unit."""
    return int(np.count_nonzero(as_matrix(mask, layout).any(axis=1)))


def _redrawn(weight, mask, seed):
    places = [
        np.flatnonzero(mask.any(tuple(b for b in range(mask.ndim) if b != a)))
        for a in range(mask.ndim)
    ]
    if not mask[np.ix_(*places)].all():
        raise ValueError(
            f"{weight.name!r} is not pruned by whole channels, so that what "
            "is left has no shape to draw. Expected a model pruned with "
            'granularity="channel".'
        )
    shape = tuple(len(where) for where in places)
    value = np.zeros(mask.shape, np.float32)
    value[np.ix_(*places)] = initializers.draw(
        weight.layer, weight.variable.name, shape, seed, weight.name
    )
    return value
