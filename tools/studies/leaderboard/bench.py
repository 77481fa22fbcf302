"""The bench: one network with masks, compiled once for all methods.

Initial values, masks and the optimizer's state come and go as values, so that
a step is traced once for all methods, sparsities and seeds.
"""

import keras
import numpy as np
import tensorflow as tf

import kprune
from kprune.runtime import seeds

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class Bench:
    """Trains a network from given values under given masks.

    Args:
        network: A `leaderboard.networks.Network`.
        data: ((x, y), (x_test, y_test)), arrays.

    Attributes:
        steps: Integer, the budget of every method.
        steps_per_epoch: Integer. The last, smaller batch is left out.
        train: (x, y), to score on.
    """

    def __init__(self, network, data):
        self.train, self._test = data
        self.network = network
        self.steps_per_epoch = len(self.train[0]) // network.batch_size
        self.steps = network.epochs * self.steps_per_epoch
        self._held = [tf.constant(part) for part in self.train]
        self._parts, self._cached = {}, {}

    def initial(self, seed):
        """Returns the network of a seed before training, compiled."""
        return self.compiled(self.network.build(seed))

    def compiled(self, model, parts=1):
        """Compiles a model for a part of the budget, and returns it.

        The rate falls from its highest to 0 on a cosine within each part.
        """
        model.compile(self.optimizer(parts), LOSS)
        return model

    def optimizer(self, parts=1):
        """Returns a fresh optimizer for a part of the budget."""
        rate = keras.optimizers.schedules.CosineDecay(
            self.network.rate, self.steps // parts
        )
        return keras.optimizers.SGD(rate, momentum=0.9)

    def data(self, seed, step=0):
        """Returns a `tf.data.Dataset` of the batches from a step on: each
        epoch in an order of its own, which the seed sets."""
        indices = self._orders(seed)[step:]
        x, y = self._held
        found = tf.data.Dataset.from_tensor_slices(indices)
        return found.map(lambda i: (tf.gather(x, i), tf.gather(y, i)))

    def _orders(self, seed):
        size = self.network.batch_size
        rng = seeds.stream(seed, "leaderboard")
        count = self.steps_per_epoch * size
        epochs = self.network.epochs
        found = [rng.permutation(len(self.train[0])) for _ in range(epochs)]
        orders = [one[:count].reshape(-1, size) for one in found]
        return np.concatenate(orders).astype(np.int32)

    def fit(self, model, seed, *callbacks, begin=0, end=None):
        """Trains a compiled model from one epoch of the budget to another, by
        default the last."""
        end = self.network.epochs if end is None else end
        model.fit(
            self.data(seed, begin * self.steps_per_epoch),
            epochs=end - begin,
            steps_per_epoch=self.steps_per_epoch,
            callbacks=list(callbacks),
            verbose=0,
        )
        return model

    def model(self, start, masks=None, parts=1):
        """Returns the network of the bench, with the values of another, masks
        and a fresh optimizer.

        Args:
            start: A model of this network, or the list of its values.
            masks: Dict of arrays; all True by default.
            parts: As for `compiled`.
        """
        if parts not in self._parts:
            wrapped = kprune.wrap(self.network.build(0), prove=False)
            self.compiled(wrapped, parts)
            wrapped.optimizer.build(wrapped.trainable_variables)
            ones = {
                name: np.ones_like(mask)
                for name, mask in kprune.get_masks(wrapped).items()
            }
            self._parts[parts] = wrapped, ones
        wrapped, ones = self._parts[parts]
        kprune.set_masks(wrapped, ones)
        for variable, value in zip(
            _variables(wrapped), values(start), strict=True
        ):
            variable.assign(value)
        for variable in wrapped.optimizer.variables:
            if variable is not wrapped.optimizer.learning_rate:
                variable.assign(np.zeros(variable.shape, variable.dtype))
        kprune.set_masks(wrapped, masks or ones)
        return wrapped

    def trained(self, seed):
        """Returns the dense network of a seed after half of the budget, which
        is trained once."""
        if seed not in self._cached:
            self._cached.clear()  # One seed at a time.
            model = self.model(self.initial(seed), parts=2)
            self.fit(model, seed, end=self.network.epochs // 2)
            plain = kprune.strip(model)
            self._cached[seed] = self.compiled(plain, 2)
        return self._cached[seed]

    def accuracy(self, model, data=None):
        """Returns the accuracy on (x, y), all test images by default, in
        percent."""
        x, y = self._test if data is None else data
        found = model.predict(x, batch_size=500, verbose=0).argmax(-1)
        return 100 * float(np.mean(found == np.ravel(y)))


def values(model):
    """Returns the values of a model's variables other than masks."""
    if isinstance(model, list):
        return model
    return [variable.numpy() for variable in _variables(model)]


def _variables(model):
    found = model.trainable_variables, model.non_trainable_variables
    return [
        variable
        for part in found
        for variable in part
        if "mask" not in variable.path.rsplit("/", 1)[-1]
        and "seed_generator" not in variable.path
    ]


def sparsity(model):
    """Returns the share of the prunable weights that masks remove, in
    percent."""
    masks = kprune.get_masks(model).values()
    kept = sum(int(np.count_nonzero(mask)) for mask in masks)
    return 100 * (1 - kept / sum(mask.size for mask in masks))
