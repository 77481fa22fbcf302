"""STR: soft threshold reparametrization (Kusupati et al., 2020).

https://arxiv.org/abs/2002.03231
"""

from collections.abc import Collection
from typing import Any

import keras
from keras import ops

from kprune.learned.reparametrize import choose, reparametrize
from kprune.learned.reparametrized import Reparametrization
from kprune.runtime import checks, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked()
def soft_threshold(
    model: types.Model,
    initial: float = -5.0,
    *,
    exclude: str | Collection[str] = (),
) -> types.Model:
    """Returns a model with a learned soft threshold on each weight (STR).

        w_eff = sign(w) relu(|w| - sigmoid(s)),  one s for each weight tensor

    The s are ordinary trainable variables. Compile the model with an optimizer
    that decays *all* variables, weights and s alike, such as
    `kprune.training.TorchSGD(weight_decay=...)`. The decay pulls w towards 0
    and a negative s up towards 0 (a threshold of 1/2); the loss pushes s down
    where weights are needed. The sparsity is thus an outcome of the decay,
    `initial` and the length of training.

    Where |s| is so large that the sigmoid is flat, only the decay changes s:
    plain SGD takes it to `initial * exp(-decay * sum of learning rates)`. The
    paper starts there, and so trains a dense network first. For 90.23 %
    sparsity of ResNet-50 on ImageNet its code has an `initial` of -3200, a
    decay of 2.2517578e-5, a learning rate of 0.256 on a cosine after 5 epochs
    of warm-up, momentum 0.875, batches of 256 and 100 epochs. A shorter
    training would never leave the flat region; hence the default of -5, which
    is a threshold of 0.0067 from the start.

    Args:
        model: A built Keras model without masks. It is not modified.
        initial: Float, the initial s. The threshold is its sigmoid. Defaults
            to -5.
        exclude: Names of weights or layers, or regular expressions, to leave
            dense. The paper excludes none.

    Returns:
        A Keras model, compiled like `model` with a fresh optimizer if `model`
        is compiled. `kprune.learned.sparsity` returns its sparsity,
        `kprune.learned.to_masked` converts it to a model with masks.

    Raises:
        ValueError: If `initial` is not a finite number, if the model is not
            built, has no prunable weight, has masks or is reparametrized
            already, or if a name in `exclude` matches no weight.

    Example:

    >>> model = kprune.learned.soft_threshold(model)
    >>> optimizer = kprune.training.TorchSGD(0.1, weight_decay=1e-3)
    >>> model.compile(optimizer, kprune.training.SmoothedCrossentropy(0.1))
    >>> history = model.fit(train, epochs=1, verbose=0)
    >>> masked = kprune.learned.to_masked(model)
    """
    names = choose(model, exclude)

    def make(_name, _weight, **made):
        return SoftThreshold(initial, **made)

    return reparametrize(model, names, make, "threshold")


@keras.saving.register_keras_serializable("kprune")
class SoftThreshold(Reparametrization):
    """Shrinks a weight by a learned threshold; entries below it become zero.

        w_eff = sign(w) relu(|w| - sigmoid(s))

    Args:
        initial: Float, the initial scalar s. Defaults to -5.
        **kwargs: Arguments of a Keras layer.

    Example:

    >>> part = kprune.learned.SoftThreshold(initial=0.0)  # sigmoid(0) = 1/2
    >>> part(keras.ops.array([-2.0, 0.25, 1.0])).numpy().tolist()
    [-1.5, 0.0, 0.5]
    """

    options = ("initial",)

    def __init__(self, initial: float = -5.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial = float(checks.number("initial", initial))

    def build(self, input_shape: Any) -> None:
        self.threshold = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.initial),
            name="threshold",
        )

    def call(self, w: Any) -> Any:
        w = ops.cast(w, self.variable_dtype)
        return ops.sign(w) * ops.relu(ops.abs(w) - ops.sigmoid(self.threshold))


METHOD = Method(
    "soft_threshold",
    title="STR",
    call="kprune.learned.soft_threshold(model)",
    paper="Kusupati et al., 2020",
    link="https://arxiv.org/abs/2002.03231",
    test="tests/learned/test_soft_threshold.py::test_gradients_by_hand",
)
