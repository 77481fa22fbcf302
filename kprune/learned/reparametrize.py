"""Puts functions of the weights on a model, and takes them off again."""

import keras

from kprune.learned.reparametrized import Reparametrized, SoftModel, wrappers
from kprune.masking import cloning, weights, wrapping
from kprune.masking.subclassed_models import replace_layers
from kprune.runtime import lookup


def choose(model, exclude):
    """Returns the names of the weights to put parts on.

    Args:
        model: A built Keras model without masks.
        exclude: Names of weights or layers, or regular expressions, to leave
            out.

    Raises:
        ValueError: If the model is not built, has no prunable weight, has
            masks or parts, or if `exclude` fits no weight or leaves none.
    """
    wrapping.check_model(model)
    _check_plain(model)
    found = [w.name for w in weights.find(model)]
    left = list(weights.prunable(model))
    for pattern in [exclude] if isinstance(exclude, str) else exclude:
        matched = weights.matching(pattern, found)
        if not matched:
            raise ValueError(
                lookup.unknown(pattern, found, "weight in `exclude`")
            )
        left = [name for name in left if name not in matched]
    if not left:
        raise ValueError(
            "`exclude` leaves no weight to work on. "
            f"Received: exclude={exclude!r}"
        )
    return left


def reparametrize(model, names, make):
    """Returns a copy of the model with a part on each of some weights.

    Args:
        model: A built Keras model without masks. It is left as it was.
        names: Names of weights, as `choose` gives.
        make: Function of such a name, the `kprune.masking.weights.Weight` and
            the dtype to compute in, to the part.
    """
    with cloning.strategy_scope(model):
        new = cloning.plain_copy(model)
        chosen = {
            id(w.variable): name
            for name, w in weights.prunable(new).items()
            if name in names
        }
        new = replace_layers(
            new, lambda x: _with_parts(x, chosen, make), SoftModel
        )
        cloning.carry_compile(model, new)
    return new


def _check_plain(model):
    if any(w.mask is not None for w in weights.find(model)):
        raise ValueError(
            f"Model {model.name!r} has masks. Expected a model without: "
            "`kprune.strip` folds them into the weights."
        )
    if wrappers(model):
        raise ValueError(
            f"Model {model.name!r} has soft thresholds or gates already. "
            "Expected a plain Keras model."
        )


def _with_parts(layer, chosen, make):
    """Returns the layer wrapped, or `None` if none of its weights is chosen."""
    if not isinstance(layer, keras.layers.Layer):
        return None
    found = [
        w
        for w in weights.find(layer, inside_wrapper=True)
        if id(w.variable) in chosen
    ]
    if not found:
        return None
    names = {w.name: chosen[id(w.variable)] for w in found}
    parts = {w.name: make(names[w.name], w, _dtype(w)) for w in found}
    return Reparametrized(layer, parts, names)


def _dtype(weight):
    """Returns float32, or float64 where the weight is."""
    return keras.backend.result_type(weight.variable.dtype, "float32")
