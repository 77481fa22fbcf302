"""Puts choices of weights on a model, with all else of it frozen."""

import keras

from kprune.learned.frozen_values import frozen_values
from kprune.learned.reparametrize import choose, put_parts
from kprune.learned.selected import Selected, SelectedModel, wrappers
from kprune.masking import cloning, weights
from kprune.runtime import checks

BIASES = ("keep", "zero")


def freeze(model, make, values, *, seed, biases, exclude):
    """Returns a copy of the model with choices on weights, all else frozen.

    Args:
        model: A built Keras model without masks. It is left as it was.
        make: As for `reparametrize`, the parts being choices of entries.
        values: Tuple (law, share) for `frozen_values`.
        seed: Integer >= 0.
        biases: `"keep"` or `"zero"`.
        exclude: Names of weights or layers, or regular expressions, to leave
            dense.

    Raises:
        ValueError: If an argument does not fit, or the model itself, not a
            layer of it, holds what it trains.
    """
    checks.choice("biases", biases, BIASES)
    names = choose(model, exclude)
    with cloning.strategy_scope(model):
        new = cloning.plain_copy(model)
        found = weights.prunable(new)
        for weight in (found[name] for name in names):
            law, share = values
            weight.variable.assign(frozen_values(weight, law, seed, share))
        if biases == "zero":
            for variable in new.trainable_variables:
                if variable.name == "bias":
                    variable.assign(keras.ops.zeros_like(variable))
        new = put_parts(new, names, make, "choice", Selected, SelectedModel)
        for wrapper in wrappers(new):
            wrapper.freeze()
        _check_frozen(new)
        cloning.carry_compile(model, new)
    return new


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
