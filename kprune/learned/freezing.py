"""Adds learned selections of weights to a model and freezes the rest."""

import keras

from kprune.learned import selected
from kprune.learned.frozen_values import frozen_values
from kprune.learned.reparametrize import choose, put_parts
from kprune.masking import cloning, weights
from kprune.runtime import checks


def freeze(model, make, values, *, seed, biases, exclude):
    """Returns a copy of the model that trains selections of weights only.

    Args:
        make: As for `put_parts`.
        values: Tuple (law, share) for `frozen_values`.

    Raises:
        ValueError: If the model owns trainable variables outside its layers.
    """
    checks.choice("biases", biases, ("keep", "zero"))
    names, (law, share) = choose(model, exclude), values
    with cloning.strategy_scope(model):
        new = cloning.plain_copy(model)
        found = weights.prunable(new)
        for weight in (found[name] for name in names):
            weight.variable.assign(frozen_values(weight, law, seed, share))
        if biases == "zero":
            for variable in new.trainable_variables:
                if variable.name == "bias":
                    variable.assign(keras.ops.zeros_like(variable))
        kinds = selected.Selected, selected.SelectedModel
        new = put_parts(new, names, make, "choice", *kinds)
        for wrapper in selected.wrappers(new):
            wrapper.freeze()
        _check_frozen(new)
        cloning.carry_compile(model, new)
    return new


def _check_frozen(model):
    """Raises if variables other than those of selections are trainable."""
    parts = [part for *_, part in selected.choices(model)]
    chosen = {id(v) for part in parts for v in part.variables}
    left = [v for v in model.trainable_variables if id(v) not in chosen]
    if left:
        raise ValueError(
            f"Model {model.name!r} trains variables of its own: "
            f"{', '.join(v.name for v in left)}. Expected all that is trained "
            "to be in layers of the model: there it can be frozen."
        )
