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
    _check_plain(model)
    wrapping.check_model(model)
    if any(w.mask is not None for w in weights.find(model)):
        raise ValueError(
            f"Model {model.name!r} has masks. Expected a model without: "
            "`kprune.strip` folds them into the weights."
        )
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


def reparametrize(model, names, make, suffix):
    """Returns a copy of the model with a part on each of some weights.

    Args:
        model: A built Keras model without masks. It is left as it was.
        names, make, suffix: As for `put_parts`.
    """
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
        make: Function of such a name, the `kprune.masking.weights.Weight` and
            `dtype` and `name` of the part to the part.
        suffix: String that ends the part's name.
        wrapper: The class of the wrappers. `Selected` wraps all that trains.
        mixin: The class that goes with it, as for `replace_layers`.
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
        parts = {
            name: make(
                in_model[name],
                w,
                # Or float64 where the weight is.
                dtype=keras.backend.result_type(w.variable.dtype, "float32"),
                name=f"{name.replace('/', '_')}_{suffix}",
            )
            for name, w in own.items()
        }
        return wrapper(layer, parts, in_model)

    return replace_layers(model, wrapped, mixin)


def _check_plain(model):
    if isinstance(model, keras.Model) and wrappers(model):
        raise ValueError(
            f"Model {model.name!r} has thresholds, gates or choices of its "
            "weights already. Expected a plain Keras model: see `kprune.strip`."
        )
