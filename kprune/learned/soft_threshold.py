"""STR: soft threshold reparametrization (Kusupati et al., 2020).

https://arxiv.org/abs/2002.03231
"""

import keras
from keras import ops

from kprune.learned.reparametrize import choose, reparametrize
from kprune.learned.reparametrized import Reparametrization
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked()
def soft_threshold(model, initial=-5.0, *, exclude=()):
    """Returns the model with a learned soft threshold on each weight (STR).

        w_eff = sign(w) relu(|w| - sigmoid(s)),  one s for each weight tensor

    The s are trainable variables like any other: compile the model with an
    optimizer that decays *all* of them, weights and s alike, such as
    `kprune.training.TorchSGD(weight_decay=...)`. The decay draws w towards 0
    and a negative s up towards 0 (a threshold of 1/2), the loss draws s down
    again where weights are needed. The sparsity is thus an outcome, of the
    decay, of `initial` and of how long the model trains.

    Where |s| is so large that the sigmoid is flat, s feels the decay alone:
    plain SGD takes it to `initial * exp(-decay * sum of learning rates)`. The
    paper begins there, and trains a dense network first. For 90.23 % on
    ResNet-50 and ImageNet its code has an `initial` of -3200, a decay of
    2.2517578e-5, a learning rate of 0.256 along a cosine after 5 epochs of
    warm-up, momentum 0.875, batches of 256 and 100 epochs. In a shorter
    training such an s would never arrive, hence the default of -5, which is
    a threshold of 0.0067 at once.

    Args:
        model: A built Keras model without masks. It is left as it was.
        initial: The s to start from. The threshold is its sigmoid.
        exclude: Names of weights or layers, or regular expressions, to leave
            dense. The paper leaves none.

    Returns:
        A Keras model, compiled alike with a fresh optimizer if `model` is
        compiled. `kprune.learned.sparsity` says how sparse it has become,
        `kprune.learned.to_masked` makes a model with masks of it.

    Raises:
        ValueError: If `initial` is not a finite number, if the model is not
            built, has no prunable weight, has masks or is reparametrized
            already, or if a name in `exclude` fits no weight.

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
    """Shrinks a weight by a learned threshold, entries below it to zero.

        w_eff = sign(w) relu(|w| - sigmoid(s))

    Args:
        initial: The scalar s to start from.

    Example:

    >>> part = kprune.learned.SoftThreshold(initial=0.0)  # sigmoid(0) = 1/2
    >>> part(keras.ops.array([-2.0, 0.25, 1.0])).numpy().tolist()
    [-1.5, 0.0, 0.5]
    """

    options = ("initial",)

    def __init__(self, initial=-5.0, **kwargs):
        super().__init__(**kwargs)
        self.initial = float(checks.number("initial", initial))

    def build(self, input_shape):
        self.threshold = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.initial),
            name="threshold",
        )

    def call(self, w):
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
