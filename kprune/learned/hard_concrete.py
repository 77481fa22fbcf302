"""L0 regularization by hard-concrete gates (Louizos et al., 2018).

https://arxiv.org/abs/1712.01312
"""

import math

import keras
from keras import ops

from kprune.learned.reparametrize import choose, reparametrize
from kprune.learned.reparametrized import Reparametrization
from kprune.masking import weights
from kprune.runtime import checks, seeds
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.words import shown

_EPSILON = 1e-6  # As far as noise and probabilities stay from 0 and 1.
_BOUNDS = (math.log(1e-2), math.log(1e2))  # Of log(alpha), as in the code.
_RANGES = {
    "strength": "[0, inf)",
    "drop_rate": "(0, 1)",
    "prior_precision": "[0, inf)",
    "temperature": "(0, inf)",
}


@checked()
def hard_concrete(
    model,
    examples,
    *,
    strength=1.0,
    drop_rate=0.5,
    prior_precision=0.0,
    temperature=2 / 3,
    limits=(-0.1, 1.1),
    exclude=(),
    seed=0,
):
    """Returns the model with a learned random gate on each group of weights.

        z = clip(sigmoid((ln u - ln(1 - u) + ln a) / b) (h - l) + l, 0, 1)

    with u uniform on (0, 1), drawn for each training step anew, b the
    `temperature` and (l, h) the `limits`. At test time the gate is
    clip(sigmoid(ln a) (h - l) + l, 0, 1). The layer computes with z w. A
    layer has a gate per input unit, a convolution one per feature map that it
    makes. Biases have none: the authors' code gates those of a convolution at
    test time and leaves them out in training. Added to the loss is what the
    weights of open gates are expected to cost,

        sum over groups of P(z > 0) (strength n + prior_precision |w|^2 / 2)
        / examples,  P(z > 0) = sigmoid(ln a - b ln(-l / h)),

    with n the number of weights in the group and w these. The ln a are
    trainable variables like any other, and held in [ln 0.01, ln 100]; the
    optimizer should not decay them (`exclude_from_weight_decay` with
    `var_names=["log_alpha"]`).

    Defaults are those of the authors' code, but for `prior_precision`, which
    is 5e-4 in its LeNet-5, and the decay of biases, which is left to
    regularizers here. It trains with Adam at 1e-3, batches of 100 and 200
    epochs, and tests on an average of the weights (`use_ema=True`,
    `ema_momentum=0.999` in Keras' optimizers).

    Args:
        model: A built Keras model without masks. It is left as it was.
        examples: Number of examples to train on. The paper's penalty is for
            their summed loss, Keras' loss is a mean.
        strength: What an open gate costs for each weight of the group, the
            paper's lambda. A dict from names of weights or layers, or regular
            expressions, to numbers sets it per weight.
        drop_rate: Probability in (0, 1) that a gate starts below 1/2: a starts
            near (1 - drop_rate) / drop_rate. May be a dict too. The authors'
            code has 0.2 on the inputs of an MLP.
        prior_precision: Strength of the L2 penalty on weights whose gate is
            open.
        temperature: The smaller, the nearer to 0 or 1 a gate is.
        limits: The interval that a gate is stretched to and clipped from: a
            number < 0 and one > 1.
        exclude: Names of weights or layers, or regular expressions, to leave
            without gates.
        seed: Integer >= 0, for the noise and the first values of ln a.

    Returns:
        A Keras model, compiled alike with a fresh optimizer if `model` is
        compiled. `kprune.learned.sparsity` says how sparse it has become,
        `kprune.learned.to_masked` makes a model with masks of it.

    Raises:
        ValueError: If an argument is out of its range, if the model is not
            built, has no prunable weight, has masks or is reparametrized
            already, or if a name fits no weight or a weight no name.

    Example:

    >>> model = kprune.learned.hard_concrete(model, examples=1438, strength=0.1)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss)
    >>> history = model.fit(train, epochs=1, verbose=0)
    >>> masked = kprune.learned.to_masked(model)
    """
    names = choose(model, exclude)
    strengths = _by_weight(strength, names, "strength")
    drop_rates = _by_weight(drop_rate, names, "drop_rate")

    def make(in_model, weight, **made):
        layout = weight.layout
        convolves = hasattr(weight.layer, "kernel_size")
        rng = seeds.stream(seed, "hard_concrete", in_model)
        return HardConcrete(
            examples=examples,
            strength=strengths[in_model],
            drop_rate=drop_rates[in_model],
            prior_precision=prior_precision,
            temperature=temperature,
            limits=limits,
            axes=layout.outputs if convolves else layout.inputs,
            view=layout.view,
            seed=int(rng.integers(2**31)),
            **made,
        )

    return reparametrize(model, names, make, "gate")


class _Penalty(keras.regularizers.Regularizer):
    """What a function gives: a variable takes no function before Keras 3.15."""

    def __init__(self, function):
        self._function = function

    def __call__(self, x):
        del x
        return self._function()


class _Held(keras.constraints.Constraint):
    """Holds log(alpha) between its bounds."""

    def __call__(self, log_alpha):
        return ops.clip(log_alpha, *_BOUNDS)


@keras.saving.register_keras_serializable("kprune")
class HardConcrete(Reparametrization):
    """Multiplies groups of a weight by hard-concrete gates.

    Args:
        examples: Number of examples to train on.
        strength, drop_rate, prior_precision, temperature, limits: As for
            `kprune.learned.hard_concrete`, numbers all.
        axes: The axes of the weight that count the groups. Defaults to the
            first.
        view: The shape to look at the weight in, for `axes`. Defaults to its
            own.
        seed: Integer, for the noise and the first values of ln a.

    Example:

    >>> part = kprune.learned.HardConcrete(examples=60000)
    >>> part(keras.ops.ones((300, 100))).shape
    TensorShape([300, 100])
    """

    options = ("examples", *_RANGES, "limits", "axes", "view", "seed")

    def __init__(
        self,
        examples,
        strength=1.0,
        drop_rate=0.5,
        prior_precision=0.0,
        temperature=2 / 3,
        limits=(-0.1, 1.1),
        axes=(0,),
        view=None,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.examples = checks.integer("examples", examples, 1)
        numbers = (strength, drop_rate, prior_precision, temperature)
        for (name, interval), n in zip(_RANGES.items(), numbers, strict=True):
            setattr(self, name, checks.number(name, n, interval))
        self.limits = _checked_limits(limits)
        self.axes = tuple(axes)
        self.view = None if view is None else tuple(view)
        self.seed = seed

    def build(self, input_shape):
        view = self.view or tuple(input_shape)
        inside = all(0 <= axis < len(view) for axis in self.axes)
        if math.prod(view) != math.prod(input_shape) or not inside:
            raise ValueError(
                f"Gates do not fit a weight of shape {tuple(input_shape)}. "
                "Expected `axes` of it, or of a `view` of its size. Received: "
                f"axes={self.axes}, view={self.view}"
            )
        groups = [n if i in self.axes else 1 for i, n in enumerate(view)]
        self.__dict__["_shapes"] = view, groups
        mean = math.log((1 - self.drop_rate) / self.drop_rate)
        rng = seeds.stream(self.seed, "log_alpha")
        noise = rng.normal(0, 1e-2, math.prod(groups))
        self.log_alpha = self.add_weight(
            shape=noise.shape,
            initializer=lambda shape, dtype: ops.cast(mean + noise, dtype),
            regularizer=_Penalty(self.penalty),
            constraint=_Held(),
            name="log_alpha",
        )
        self.noise = keras.random.SeedGenerator(self.seed)

    def call(self, w, training=False):
        low, high = self.limits
        logits = ops.convert_to_tensor(self.log_alpha)
        if training:
            made = {"dtype": self.variable_dtype, "seed": self.noise}
            inside = (_EPSILON, 1 - _EPSILON)
            u = keras.random.uniform(logits.shape, *inside, **made)
            logits = ops.log(u) - ops.log(1 - u) + logits
            logits = logits / self.temperature
        z = ops.clip(ops.sigmoid(logits) * (high - low) + low, 0, 1)
        view, groups = self._shapes
        w = ops.cast(w, self.variable_dtype)
        gated = ops.reshape(w, view) * ops.reshape(z, groups)
        return ops.reshape(gated, w.shape)

    def open_probability(self):
        """Returns P(z > 0) of each gate."""
        low, high = self.limits
        shift = self.temperature * math.log(-low / high)
        p = ops.sigmoid(ops.convert_to_tensor(self.log_alpha) - shift)
        return ops.clip(p, _EPSILON, 1 - _EPSILON)

    def penalty(self):
        """Returns what the gates and the weight add to the loss."""
        view, groups = self._shapes
        shared = [i for i in range(len(view)) if i not in self.axes]
        w = ops.cast(self.weight.value, self.variable_dtype)
        squares = ops.sum(ops.reshape(w, view) ** 2, axis=shared)
        cost = self.strength * (math.prod(view) / math.prod(groups))
        cost = cost + 0.5 * self.prior_precision * ops.reshape(squares, [-1])
        return ops.sum(self.open_probability() * cost) / self.examples


def _by_weight(value, names, argument):
    """Returns the number of each weight by name."""
    if not isinstance(value, dict):
        return dict.fromkeys(names, value)
    found = {}
    for pattern, number in value.items():
        what = f"weight in `{argument}`"
        matched = weights.matched(pattern, names, what)
        found.update(dict.fromkeys(matched, number))
    if missing := [name for name in names if name not in found]:
        raise ValueError(
            f"`{argument}` says nothing of {', '.join(missing)}. Expected a "
            "number, or one for each weight. Received: "
            f"{argument}={shown(value)}"
        )
    return found


def _checked_limits(limits):
    pair = tuple(limits) if isinstance(limits, list | tuple) else ()
    numbers = len(pair) == 2 and all(map(checks.is_number, pair))
    fit = numbers and pair[0] < 0 and pair[1] > 1
    checks.require(fit, "limits", limits, "a number < 0 and a number > 1")
    return pair


METHOD = Method(
    "hard_concrete",
    title="L0",
    call="kprune.learned.hard_concrete(model, examples=60_000)",
    paper="Louizos et al., 2018",
    link="https://arxiv.org/abs/1712.01312",
    test="tests/learned/test_hard_concrete.py::test_penalty_by_hand",
    deviation="the penalty of a group is per weight, as in the released code",
)
