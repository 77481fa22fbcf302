"""Puts functions of the weights on a model, and removes them."""

import keras

from kprune.learned.reparametrized import Reparametrized, SoftModel, wrappers
from kprune.masking import cloning, weights, wrapping
from kprune.masking.subclassed_models import replace_layers
from kprune.runtime import checks


def choose(model, exclude):
    """Returns the names of the weights to put parts on; raises if the model has
    masks or parts, or `exclude` fits no weight or leaves none."""
    if isinstance(model, keras.Model) and wrappers(model):
        raise ValueError(
            f"Model {model.name!r} has thresholds, gates or choices of its "
            "weights already. Expected a plain Keras model: see `kprune.strip`."
        )
    wrapping.check_model(model)
    if any(w.mask is not None for w in weights.find(model)):
        raise ValueError(
            f"Model {model.name!r} has masks. Expected a model without: "
            "`kprune.strip` folds them into the weights."
        )
    found = [w.name for w in weights.find(model)]
    left = list(weights.prunable(model))
    for pattern in checks.patterns("exclude", exclude):
        matched = weights.matched(pattern, found, "weight in `exclude`")
        left = [name for name in left if name not in matched]
    checks.require(left, "exclude", exclude, "names that leave a weight")
    return left


def reparametrize(model, names, make, suffix):
    """Returns a copy of the model, compiled alike, with parts on weights; the
    arguments are those of `put_parts`."""
    with cloning.strategy_scope(model):
        new = put_parts(cloning.plain_copy(model), names, make, suffix)
        cloning.carry_compile(model, new)
    return new


def put_parts(
    model, names, make, suffix, wrapper=Reparametrized, mixin=SoftModel
):
    """Returns a model whose layers are wrapped around parts.

    Args:
        model: A model without wrappers that nobody else uses.
        names: Names of weights, as `choose` gives.
        make: Function of such a name, the `Weight` and `dtype` and `name` of
            the part, which ends in `suffix`, to the part.
        wrapper, mixin: The class of the wrappers, and what goes with it, as for
            `replace_layers`. `Selected` wraps all that trains.
    """
    found = weights.prunable(model)
    chosen = {id(found[name].variable): name for name in names}

    def wrapped(layer):
        if not isinstance(layer, keras.layers.Layer):
            return None
        own = {
            w.name: w
            for w in weights.find(layer, inside_wrapper=True)
            if id(w.variable) in chosen
        }
        if not own and not (wrapper.freezes and layer.trainable_variables):
            return None
        in_model = {name: chosen[id(w.variable)] for name, w in own.items()}
        parts = {}
        for name, w in own.items():
            # Or float64 where the weight is.
            dtype = keras.backend.result_type(w.variable.dtype, "float32")
            own_name = f"{name.replace('/', '_')}_{suffix}"
            parts[name] = make(in_model[name], w, dtype=dtype, name=own_name)
        return wrapper(layer, parts, in_model)

    return replace_layers(model, wrapped, mixin)
