"""Networks pruned to several widths: as they are, trained, or after training.

Each function takes a plain network of `kprune.models.fc`, the experiment as a
dict, a seed for what methods draw, and ((x, y), (x_test, y_test)). It returns a
dict from series to a list of test accuracies in percent, one for each of the
numbers of neurons kept per hidden layer.
"""

import keras

from kprune.pruning import kept_weights
from ossum import networks


def untrained(model, experiment, seed, data):
    """Prunes an untrained network, and trains nothing. Of the experiment it
    reads `kept` and `methods`."""
    return _measured(model, experiment, seed, data, lambda small: None)


def then_trained(model, experiment, seed, data):
    """Prunes an untrained network, and trains what is left: in `phases`, and
    with `rescale`, whether to rescale the weights that are left."""

    def train(small):
        if experiment["rescale"]:
            kept_weights.rescale(small)
        networks.train(small, data[0], experiment["phases"], seed)

    return _measured(model, experiment, seed, data, train)


def after_training(model, experiment, seed, data):
    """Trains a network in `phases`, prunes it, measures it, and trains it on in
    those of `fine_tuning`."""
    training, test = data
    networks.train(model, training, experiment["phases"], seed)
    found = {}
    for method in experiment["methods"]:
        one = {**experiment, "methods": [method]}
        before = []

        def tune(small, before=before):
            before.append(networks.accuracy(small, test))
            networks.train(small, training, experiment["fine_tuning"], seed)

        tuned = _measured(model, one, seed, data, tune)[method]
        found |= {method: before, f"{method}:fine-tuned": tuned}
    return found


def _measured(model, experiment, seed, data, finish):
    """Returns the accuracies of what `finish` makes of the small networks."""
    training, test = data
    found = {}
    for method in experiment["methods"]:
        found[method] = []
        for width in experiment["kept"]:
            small = networks.pruned(model, method, width, training, seed)
            finish(small)
            found[method].append(networks.accuracy(small, test))
            keras.backend.clear_session()
    return found
