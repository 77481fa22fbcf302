"""How scores are trained, and whether the weights stay as they are."""

import keras
import numpy as np

import kprune
from kprune.runtime import lookup
from kprune.training import learning_rates

_OPTIMIZERS = {
    "sgd": kprune.training.TorchSGD,
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
}


def optimizer(training, steps_per_epoch):
    """Returns the optimizer of a dict with `optimizer` (`"sgd"`, `"adam"` or
    `"rmsprop"`), `learning_rate`, `epochs`, and if need be `schedule` and
    `options` of the optimizer."""
    make = lookup.choose(training["optimizer"], _OPTIMIZERS, "optimizer")
    rate = learning_rates.get(
        training.get("schedule", {"name": "constant"}),
        training["learning_rate"],
        steps_per_epoch,
        steps_per_epoch * training["epochs"],
    )
    return make(rate, **training.get("options", {}))


def values(model, *names):
    """Returns the values of the variables of some names, such as `kernel`."""
    return [np.array(v) for v in model.variables if v.name in names]


def moved(before, after):
    """Returns how many entries have another value."""
    pairs = zip(before, after, strict=True)
    return sum(int((one != other).sum()) for one, other in pairs)
