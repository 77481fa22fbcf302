"""Kept weights made to fit the fewer inputs that pruning leaves.

The variants "+rescale" and "+reinit" of 3SP, van Amersfoort et al., 2020: an
initializer sets the variance by the number of inputs of a unit, and a pruned
unit has fewer.
"""

import keras
import numpy as np

from kprune.masking import initializers, weights


def rescale_variance(model, seed=0):
    """Scales kept weights so that units have the variance they had.

        w <- w sqrt(inputs of a unit before / inputs that are left)

    where the inputs that are left are the mean over the units that are left,
    and an input is an entry: of a convolution, one for each place of its
    window. Biases and embeddings stay. Doing so twice scales twice.

    Args:
        model: A wrapped model, pruned at initialization, changed in place.
        seed: Not used.

    Example:

    >>> pruned = kprune.prune(model, "random", 0.5, granularity="channel")
    >>> kprune.kept_weights.rescale_variance(pruned)
    """
    del seed
    for weight, mask in _pruned(model):
        before, after = (
            _fan_in(weight, np.ones_like(mask)),
            _fan_in(weight, mask),
        )
        if after:
            value = np.asarray(weight.variable) * np.sqrt(before / after)
            weight.variable.assign(value)


def reinitialize(model, seed=0):
    """Draws kept weights anew, as the initializer would for what is left.

    Each kernel of which something is pruned is drawn with the shape that it
    has once `kprune.shrink` has taken out the channels that are pruned, by
    the initializer of its layer.
    What lost nothing stays, and so do embeddings and biases:
    `kprune.sanity.reinitialize` draws all.

    Args:
        model: A wrapped model, pruned by channels, changed in place.
        seed: Integer >= 0.

    Raises:
        ValueError: If single weights are pruned, so that what is left has no
            shape, or a layer does not tell its initializer. The model has not
            been changed then.

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


def _pruned(model):
    """Returns the pruned weights that units sum inputs by, with masks."""
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
    return inputs[inputs > 0].mean() if inputs.any() else 0


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
