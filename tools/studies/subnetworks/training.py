"""How scores are trained: the optimizer of a dict."""

import keras

import kprune
from kprune.runtime import lookup
from kprune.training import learning_rates

_OPTIMIZERS = {
    "sgd": kprune.training.TorchSGD,
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
}


def optimizer(training, steps_per_epoch):
    """Returns the optimizer of an experiment.

    Args:
        training: Dict with `optimizer` (`"sgd"`, `"adam"` or `"rmsprop"`),
            `learning_rate`, `epochs`, and if need be `schedule` and `options`
            of the optimizer.
        steps_per_epoch: Integer.
    """
    make = lookup.choose(training["optimizer"], _OPTIMIZERS, "optimizer")
    rate = learning_rates.get(
        training.get("schedule", {"name": "constant"}),
        training["learning_rate"],
        steps_per_epoch,
        steps_per_epoch * training["epochs"],
    )
    return make(rate, **training.get("options", {}))
