"""Puts choices of weights on a model, with all else of it frozen."""

import keras
import numpy as np

from kprune.learned.frozen_values import frozen_values
from kprune.learned.reparametrize import choose
from kprune.learned.selected import Selected, SelectedModel, wrappers
from kprune.masking import cloning, weights
from kprune.masking.subclassed_models import replace_layers

BIASES = ("keep", "zero")


def freeze(model, make, values, *, seed, biases, exclude):
    """Returns a copy of the model with choices on weights, all else frozen.

    Args:
        model: A built Keras model without masks. It is left as it was.
        make: Function of a `kprune.masking.weights.Weight`, keyword arguments
            that a part takes (`dtype`, `name`, `seed`) to the part.
        values: Tuple (law, share) for `frozen_values`.
        seed: Integer >= 0.
        biases: `"keep"` or `"zero"`.
        exclude: Names of weights or layers, or regular expressions, to leave
            dense.

    Raises:
        ValueError: If an argument does not fit, or the model itself, not a
            layer of it, holds what it trains.
    """
    check(model, biases)
    names = choose(model, exclude)
    with cloning.strategy_scope(model):
        new = cloning.plain_copy(model)
        chosen = {}
        for name, weight in weights.prunable(new).items():
            if name in names:
                law, share = values
                weight.variable.assign(frozen_values(weight, law, seed, share))
                chosen[id(weight.variable)] = name
        if biases == "zero":
            for variable in new.trainable_variables:
                if variable.name == "bias":
                    variable.assign(keras.ops.zeros_like(variable))
        new = replace_layers(
            new, lambda x: _selected(x, chosen, make), SelectedModel
        )
        for wrapper in wrappers(new):
            wrapper.freeze()
        _check_frozen(new)
        cloning.carry_compile(model, new)
    return new


def check(model, biases):
    if biases not in BIASES:
        raise ValueError(
            "Invalid value for argument `biases`. Expected 'keep' or 'zero'. "
            f"Received: biases={biases!r}"
        )
    if isinstance(model, keras.Model) and wrappers(model):
        raise ValueError(
            f"Of model {model.name!r} a choice of weights is trained already. "
            "Expected a plain Keras model: see `kprune.strip`."
        )


def check_sparsity(sparsity):
    number = isinstance(sparsity, int | float | np.number)
    if isinstance(sparsity, bool) or not (number and 0 <= sparsity < 1):
        raise ValueError(
            "Invalid value for argument `sparsity`. Expected a float in "
            f"[0, 1), the share to remove. Received: sparsity={sparsity!r}"
        )


def _selected(layer, chosen, make):
    """Returns the layer wrapped, or `None` if it has nothing to train."""
    if not isinstance(layer, keras.layers.Layer):
        return None
    if not layer.trainable_variables:
        return None
    found = [
        w
        for w in weights.find(layer, inside_wrapper=True)
        if id(w.variable) in chosen
    ]
    names = {w.name: chosen[id(w.variable)] for w in found}
    parts = {w.name: make(w, names[w.name], **_options(w)) for w in found}
    return Selected(layer, parts, names)


def _options(weight):
    return {
        "dtype": keras.backend.result_type(weight.variable.dtype, "float32"),
        "name": f"{weight.name.replace('/', '_')}_choice",
    }


def _check_frozen(model):
    """Raises if something besides choices would be trained."""
    choices = {
        id(variable)
        for wrapper in wrappers(model)
        for _, _, part in wrapper.choices()
        for variable in part.variables
    }
    left = [v for v in model.trainable_variables if id(v) not in choices]
    if left:
        raise ValueError(
            f"Model {model.name!r} trains variables of its own: "
            f"{', '.join(v.name for v in left)}. Expected all that is trained "
            "to be in layers of the model: there it can be frozen."
        )
