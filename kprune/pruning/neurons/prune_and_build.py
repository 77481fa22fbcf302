"""OSSuM + PAB: prunes and builds layer by layer.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022, algorithm 2.
"""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kprune.masking import masks
from kprune.pruning import criteria
from kprune.pruning.ranking import scores_by
from kprune.runtime import checks, fit_arguments, seeds, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.progress import Progress
from kprune.scoring.batches import Batches
from kprune.scoring.objective import Objective

_CRITERIA = ("ossum", "linear_ossum", "log_ossum")


def _initializer(name, value):
    try:
        with seeds.untouched():  # Keras draws a seed for it.
            known = callable(keras.initializers.get(value))
    except Exception:
        known = False
    plain = not isinstance(value, keras.layers.Layer)
    known = known and plain and not hasattr(value, "shape")
    expected = "an initializer, a name that Keras knows or an object"
    return checks.require(known, name, value, expected)


@checked(
    data=fit_arguments.finite_data,
    widths=None,
    activation=fit_arguments.activation,
    initializer=checks.optional(_initializer),
)
def prune_and_build(
    widths: Sequence[int],
    build: int,
    data: types.Data,
    classes: int,
    activation: str | Callable[..., Any] = "tanh",
    initializer: Any = None,
    *,
    criterion: str = "ossum",
    seed: int = 0,
) -> types.Model:
    """Builds a fully connected network from the best of many random neurons.

    For each hidden layer in turn, `build` random neurons and a random output
    layer are added to the layers built so far, and OSSuM keeps as many of the
    neurons as the layer's width. The last step's output layer stays. This
    takes one forward pass over the data per hidden layer, and no training.

    Args:
        widths: Integers from 1 to `build`, the units of the hidden layers.
        build: Integer >= 1, how many neurons to draw for each layer.
        data: The training data, with class numbers or one-hot labels, in any
            form that `kprune.prune` takes. All of it is read.
        classes: Integer >= 2, the number of logits.
        activation: Activation of the hidden layers, string or callable.
        initializer: Keras initializer of the kernels; biases are then zero.
            Defaults to U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)) for both, as in
            the paper, with the fan_in of the pruned layers.
        criterion: `"ossum"` (default), `"linear_ossum"` or `"log_ossum"`.
        seed: Integer >= 0, for the draws.

    Returns:
        A built `keras.Model` without masks, as `kprune.models.fc` returns for
        these widths.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> net = kprune.prune_and_build(
    ...     widths=(20, 10), build=50, data=train, classes=10)
    >>> [layer.units for layer in net.layers[2:]]
    [20, 10, 10]
    """
    widths = _checked(widths, build, classes)
    checks.choice("criterion", criterion, _CRITERIA)
    batches = Batches(data)
    x, y, *_ = batches.at(0)
    if keras.tree.is_nested(x):
        raise ValueError(
            "A fully connected network has one input. Received: data with "
            f"{len(keras.tree.flatten(x))} inputs."
        )
    draw = _Draw(activation, initializer, seed)
    one_hot = np.shape(y)[1:] == (classes,)
    layers: list[Any] = []  # (kernel, bias) of each, as pruned so far.
    for place, width in enumerate(widths):
        units = [len(bias) for _, bias in layers]
        model = draw.model(x.shape[1:], [*units, build, classes])
        for layer, values in zip(model.layers[2:], layers, strict=False):
            layer.set_weights(values)
        kept = _best(model, criterion, batches, one_hot, width, seed + place)
        kernel, bias = model.layers[-2].get_weights()
        layers.append((kernel[:, kept], bias[kept]))
    kernel, bias = model.layers[-1].get_weights()
    layers.append((kernel[kept], bias))
    final = draw.model(x.shape[1:], [*widths, classes])
    for layer, values in zip(final.layers[2:], layers, strict=True):
        layer.set_weights(values)
    return final


class _Draw:
    """Draws networks from one distribution; each layer has its own seed."""

    def __init__(self, activation, initializer, seed):
        self._activation = activation
        self._seed = seed
        self._initializer = keras.initializers.get(initializer)

    def model(self, input_shape, units):
        """Returns a network with these units per layer, logits last."""
        with seeds.untouched():
            inputs = keras.Input(input_shape, name="input")
            x = keras.layers.Flatten(name="flatten")(inputs)
            for place, size in enumerate(units, start=1):
                last = place == len(units)
                kernel, bias = self._laws(x.shape[-1], place, last)
                x = keras.layers.Dense(
                    int(size),  # Keras rejects NumPy integers.
                    activation=None if last else self._activation,
                    kernel_initializer=kernel,
                    bias_initializer=bias,
                    name=f"fc{place}",
                )(x)
            return keras.Model(inputs, x, name="pab")

    def _laws(self, fan_in, place, last):
        """Returns the initializers of a layer's kernel and bias."""
        # The output layer must not share draws with the hidden layer that
        # takes its place in the next step.
        rng = seeds.stream(self._seed, "pab", place, int(last))
        drawn = [int(seed) for seed in rng.integers(2**31, size=2)]
        law = self._initializer
        if law is None:
            limit = fan_in**-0.5
            uniform = keras.initializers.RandomUniform
            return [uniform(-limit, limit, seed=seed) for seed in drawn]
        if isinstance(law, keras.initializers.Initializer):
            config = law.get_config()
            if "seed" in config:
                config["seed"] = drawn[0]
            law = type(law).from_config(config)
        return law, "zeros"


def _best(model, criterion, batches, one_hot, count, seed):
    """Returns the indices of the neurons to keep in the last hidden layer."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if one_hot:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    data = (batches.at(place) for place in range(batches.count()))
    objective = Objective(model, data, loss, seed=seed).watched(Progress())
    (scores,) = scores_by(criteria.get(criterion), objective).values()
    rng = seeds.stream(seed, "pab", "ties")
    return np.flatnonzero(masks.top_k(scores.sum(axis=1), count, rng))


def _checked(widths, build, classes):
    checks.integer("build", build, 1)
    checks.integer("classes", classes, 2)
    listed = isinstance(widths, list | tuple | range)
    found = tuple(widths) if listed else ()
    whole = all(isinstance(width, numbers.Integral) for width in found)
    checks.require(
        whole and found and 1 <= min(found) <= max(found) <= build,
        "widths",
        widths,
        f"integers from 1 to `build`={build}, the neurons to choose from",
    )
    return found


METHOD = Method(
    "prune_and_build",
    title="OSSuM + PAB",
    call="kprune.prune_and_build(widths=(100, 100), build=1000, data=data, "
    "classes=10)",
    paper="OSSuM, submitted to ICLR 2022",
    test="tests/pruning/test_prune_and_build.py::"
    "test_it_keeps_the_best_of_each_layer",
    deviation="the loop runs over all hidden layers, one more than is printed",
)
