"""Chooses masks layer by layer while paths are counted through the network."""

import keras
import numpy as np

from kprune.graph import paths
from kprune.masking import weights
from kprune.runtime import keras_internals

layers = keras.layers
_KNOWN = layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D


def masks(model, names, choose, fixed):
    """Returns the masks of weights, each chosen behind those before it.

    One forward pass of a copy counts paths. A layer that it calls gets its mask
    from the paths that lead to its inputs, summed over positions, and hands the
    paths on through the entries kept.

    Args:
        model: A Sequential or Functional model.
        names: Names of the weights to choose masks for: kernels of dense layers
            and of convolutions without groups.
        choose: Function from a name and an array of the number of paths at each
            input to a mask.
        fixed: Dict of the masks of other weights. Those without one are whole.

    Raises:
        ValueError: If a weight is of another kind, or paths cannot be counted.
    """
    found = weights.find(model)
    owners = {w.name: w for w in found}
    for name in names:
        _check(owners[name])
    try:
        ones, twin, twin_of = paths.counting_twin(model)
    except ValueError as error:
        raise ValueError(_unknown(str(error))) from error
    chosen = {}
    own = {w.name: twin_of(w.variable) for w in found}
    for name, variable in own.items():
        if name not in names:
            whole = np.ones(variable.shape, bool)
            variable.assign(np.asarray(fixed.get(name, whole), "float64"))
    kernels = {id(own[name]): name for name in names}
    for layer in keras_internals.all_layers(twin):
        if type(layer) in _KNOWN and id(layer.kernel) in kernels:
            name = kernels[id(layer.kernel)]
            _watch(layer, name, choose, chosen, owners[name].layer)
    twin(ones, training=False)
    for name in names:
        if name not in chosen:
            raise ValueError(_unknown(f"{name!r}, which is not called"))
    return chosen


def _watch(layer, name, choose, chosen, original):
    """Makes a layer choose its mask at its first call."""
    call = layer.call
    first = getattr(original, "data_format", None) == "channels_first"

    def watched(inputs, **options):
        if name not in chosen:
            array = np.asarray(inputs)
            if first:
                array = np.moveaxis(array, 1, -1)
            counts = array.reshape(-1, array.shape[-1]).sum(0)
            if not np.isfinite(counts).all():
                raise ValueError(
                    _unknown(f"more paths to {name!r} than a float64 holds")
                )
            chosen[name] = choose(name, counts)
            layer.kernel.assign(chosen[name].astype("float64"))
        return call(inputs, **options)

    layer.call = watched


def _check(weight):
    layer = weight.layer
    fits = type(layer) in _KNOWN and weight.variable is layer.kernel
    if not fits or getattr(layer, "groups", 1) != 1:
        raise ValueError(
            _unknown(f"{weight.name!r} of a {type(layer).__name__}")
        )


def _unknown(what):
    return (
        "Node-path balance follows paths through dense layers and convolutions "
        "without groups. Expected a Sequential or Functional model whose other "
        f"weights are left out with `exclude`. Received: {what}"
    )
