"""How sparse a model with learned thresholds or gates has become."""

import keras

from kprune.soft.wrapper import wrappers
from kprune.soft.wrapping import check_reparametrized


def effective_weights(model):
    """Returns the weights that a soft model computes with at test time.

    Args:
        model: A model that `kprune.soft.soft_threshold` or
            `kprune.soft.hard_concrete` returned.

    Returns:
        Dict from weight name to a NumPy array, of the weights that have a
        threshold or gates.

    Raises:
        ValueError: If the model is not one of these.

    Example:

    >>> model = kprune.soft.soft_threshold(model, exclude="fc.*")
    >>> sorted(kprune.soft.effective_weights(model))
    ['conv1/kernel', 'conv2/kernel']
    """
    check_reparametrized(model)
    return {
        name: keras.ops.convert_to_numpy(value)
        for wrapper in wrappers(model)
        for name, value in wrapper.effective_weights().items()
    }


def zeros(model):
    """Returns how many entries of each weight are exactly zero at test time.

    Args:
        model: As for `effective_weights`.

    Returns:
        Dict from weight name to an integer.

    Raises:
        ValueError: As `effective_weights`.
    """
    return {
        name: int((value == 0).sum())
        for name, value in effective_weights(model).items()
    }


def sparsity(model):
    """Returns the share of entries that are exactly zero at test time.

    Args:
        model: As for `effective_weights`.

    Returns:
        A number in [0, 1], over all weights with a threshold or gates.

    Raises:
        ValueError: As `effective_weights`.

    Example:

    >>> gated = kprune.soft.hard_concrete(model, examples=1438)
    >>> kprune.soft.sparsity(gated)
    0.0
    """
    values = effective_weights(model).values()
    removed = sum(int((value == 0).sum()) for value in values)
    return removed / sum(value.size for value in values)


class SparsityLogger(keras.callbacks.Callback):
    """Adds the `sparsity` of a soft model to Keras' `logs` after each epoch.

    Callbacks that should see it stand after it.

    Example:

    >>> model = kprune.soft.soft_threshold(model)
    >>> model.compile("sgd", kprune.training.SmoothedCrossentropy(0.0))
    >>> history = model.fit(
    ...     train, verbose=0, callbacks=[kprune.soft.SparsityLogger()])
    >>> list(history.history)
    ['loss', 'sparsity']
    """

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["sparsity"] = sparsity(self.model)
