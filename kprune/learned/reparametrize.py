"""Wraps a model's layers so that they compute with functions of the weights."""

import keras

from kprune.learned.reparametrized import Reparametrized, SoftModel, wrappers
from kprune.masking import cloning, weights, wrapping
from kprune.masking.subclassed_models import replace_layers
from kprune.runtime import checks


def choose(model, exclude):
    """Returns the names of the weights to reparametrize.

    Raises:
        ValueError: If the model has masks or is reparametrized already, or
            `exclude` matches no weight or leaves none.
    """
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
    """Returns a copy of the model, compiled alike, with parts on weights.

    The arguments are those of `put_parts`.
    """
    with cloning.strategy_scope(model):
        new = put_parts(cloning.plain_copy(model), names, make, suffix)
        cloning.carry_compile(model, new)
    return new


def put_parts(
    model, names, make, suffix, wrapper=Reparametrized, mixin=SoftModel
):
    """Returns a model whose layers are wrapped and compute with parts.

    Args:
        model: A model without wrappers that the caller owns.
        names: Names of weights, as `choose` returns.
        make: Function of a weight's name, its `Weight`, and the keywords
            `dtype` and `name` that returns the part.
        suffix: String, the end of the parts' names.
        wrapper: The class of the wrappers. `Selected` wraps all layers with
            trainable variables.
        mixin: As for `replace_layers`.
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
            # float32, or float64 for a weight in float64.
            dtype = keras.backend.result_type(w.variable.dtype, "float32")
            own_name = f"{name.replace('/', '_')}_{suffix}"
            parts[name] = make(in_model[name], w, dtype=dtype, name=own_name)
        return wrapper(layer, parts, in_model)

    return replace_layers(model, wrapped, mixin)
