"""Gates on hidden neurons, trained while weights are frozen."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from kprune.masking import cloning, wrapping
from kprune.runtime import checks, fit_arguments, keras_internals, seeds, types
from kprune.runtime.doors import checked
from kprune.scoring import losses, neurons
from kprune.scoring.batches import DEFAULT_BATCH_SIZE
from kprune.training import fitting_data


@keras.saving.register_keras_serializable("kprune")
class Gated(keras.layers.Wrapper):
    """Multiplies each input of a dense layer by a trainable gate."""

    def build(self, input_shape=None):
        if not self.layer.built:
            self.layer.build(input_shape)
        self.gates = self.add_weight(
            shape=self.layer.kernel.shape[:1], initializer="ones", name="gates"
        )
        self.built = True

    def call(self, inputs, *args, **kwargs):
        return self.layer(inputs * self.gates, *args, **kwargs)


@checked(
    data=fit_arguments.finite_data,
    batch_size=checks.optional(checks.at_least(1)),
    learning_rate=checks.within("(0, inf)"),
)
def learned_gates(
    model: types.Model,
    data: types.Data,
    loss: types.Loss | None = None,
    *,
    epochs: int = 15,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    batch_size: int | None = None,
    seed: int = 0,
    verbose: str | int = 0,
) -> dict[str, np.ndarray]:
    """Trains a gate on each hidden neuron with SGD; all else is frozen.

        h <- h * gate,  gate initialized from U(0, 1)

    where h is the input of the next dense layer, after the activation. The
    learning rate falls to a tenth in the last third of the epochs.

    Args:
        model: A built graph of dense layers, wrapped or not. It is not
            modified.
        data: Arrays `(x, y)` or `(x, y, sample_weight)`, reshuffled in each
            epoch, or a `tf.data.Dataset` of batches, read in its order.
        loss: A loss as for `compile`. Defaults to the compiled one, else to
            the cross-entropy that fits the outputs, with a warning.
        epochs: Integer >= 1. Defaults to 15, the paper's for MNIST; it has 30
            for CIFAR-10 and the same learning rate.
        learning_rate: Float > 0. Defaults to 0.1.
        momentum: Float in [0, 1). Defaults to 0.9.
        batch_size: Integer >= 1, for arrays. Defaults to 128.
        seed: Integer >= 0, for the gates and the order of arrays. Defaults to
            0.
        verbose: As for `fit`. Defaults to 0.

    Returns:
        Dict from the name of the kernel that produces the neurons of a layer
        to their gates, a float32 array of shape (neurons,).

    Raises:
        ValueError: If an argument is invalid, or there is no hidden layer.
    """
    if not keras_internals.is_graph(model):
        raise ValueError(
            "Expected a Sequential or Functional model of dense layers. "
            f"Received: {type(model).__name__} {model.name!r}"
        )
    reads = neurons.hidden_layers(model)
    if len(reads) < 2:
        raise ValueError(
            f"Model {model.name!r} has no hidden dense layer with neurons to "
            "choose. Expected dense layers that read one another."
        )
    made = {r.layer.name: m for m, r in itertools.pairwise(reads)}
    batches, steps = _batches(data, batch_size or DEFAULT_BATCH_SIZE, seed)
    gated = _gated(model, made, seed)
    rate = _rate(learning_rate, steps, epochs)
    optimizer = keras.optimizers.SGD(rate, momentum=float(momentum))
    gated.compile(optimizer, _loss(model, loss, batches))
    fitting_data.check(gated, data, "data")
    gated.fit(batches, epochs=epochs, steps_per_epoch=steps, verbose=verbose)
    return {
        made[layer.layer.name].name: np.asarray(layer.gates)
        for layer in gated.layers
        if isinstance(layer, Gated)
    }


def _gated(model, made, seed):
    """Returns a copy of a model with gates before layers, all else frozen.

    `made` maps a layer's name to the `Read` that produces its input.
    """

    def gate(layer):
        if getattr(layer, "name", None) not in made:
            return None
        return Gated(layer, name=f"{layer.name}_gated")

    with seeds.untouched():
        new = cloning.replace_layers(wrapping.strip(model), gate)
    for layer in new.layers:
        if isinstance(layer, Gated):
            maker = made[layer.layer.name].layer.name
            rng = seeds.stream(seed, "gates", maker)
            layer.gates.assign(rng.random(layer.gates.shape))
            layer.layer.trainable = False
        else:
            layer.trainable = False
    return new


def _rate(learning_rate, steps, epochs):
    last = steps * (epochs - epochs // 3) - 1  # Keras counts steps from 0.
    decay = keras.optimizers.schedules.PiecewiseConstantDecay
    return decay([last], [learning_rate, learning_rate / 10])


def _batches(data, batch_size, seed):
    """Returns endless batches and the number of batches per epoch."""
    if isinstance(data, tf.data.Dataset):
        steps = int(data.cardinality())
        if steps < 0:
            steps = sum(1 for _ in data)
        checks.require(steps > 0, "data", steps, "batches, at least one")
        return data.repeat(), steps
    arrays = fit_arguments.are_arrays(data)
    expected = "arrays (x, y) or (x, y, sample_weight), or a tf.data.Dataset"
    checks.require(arrays, "data", type(data).__name__, expected)
    arrays = tuple(tf.convert_to_tensor(np.asarray(part)) for part in data)
    count = len(arrays[0])
    first = int(seeds.stream(seed, "gates", "order").integers(2**31))

    def epoch(number):
        # Not `shuffle`, whose order also depends on TensorFlow's global seed.
        order = tf.random.experimental.stateless_shuffle(
            tf.range(count), seed=tf.stack([first, number])
        )
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        return batches.map(
            lambda at: tuple(tf.gather(array, at) for array in arrays)
        )

    numbers = tf.data.Dataset.range(2**31 - 1, output_type=tf.int32)
    return numbers.flat_map(epoch), -(-count // batch_size)


def _loss(model, loss, batches):
    x, y, *_ = next(iter(batches))
    outputs = np.asarray(model(x, training=False))
    loss = losses.resolve(model, loss, outputs, np.asarray(y))
    loss = losses.compiled_loss(model) if loss is None else loss
    losses.check_labels(model, loss, outputs, np.asarray(y))
    return loss
