"""L0 regularization by hard-concrete gates (Louizos et al., 2018).

https://arxiv.org/abs/1712.01312
"""

import math
from collections.abc import Collection, Sequence
from typing import Any

import keras
from keras import ops

from kprune.learned.reparametrize import choose, reparametrize
from kprune.learned.reparametrized import Reparametrization
from kprune.masking import weights
from kprune.runtime import checks, seeds, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.words import shown

_EPSILON = 1e-6  # The distance of noise and probabilities from 0 and 1.
# The range of log(alpha), as in the authors' code.
_BOUNDS = (math.log(1e-2), math.log(1e2))
_RANGES = {
    "strength": "[0, inf)",
    "drop_rate": "(0, 1)",
    "prior_precision": "[0, inf)",
    "temperature": "(0, inf)",
}


@checked()
def hard_concrete(
    model: types.Model,
    examples: int,
    *,
    strength: float | dict[str, float] = 1.0,
    drop_rate: float | dict[str, float] = 0.5,
    prior_precision: float = 0.0,
    temperature: float = 2 / 3,
    limits: Sequence[float] = (-0.1, 1.1),
    exclude: str | Collection[str] = (),
    seed: int = 0,
) -> types.Model:
    """Returns a model with a learned random gate on each group of weights.

        z = clip(sigmoid((ln u - ln(1 - u) + ln a) / b) (h - l) + l, 0, 1)

    where u is uniform on (0, 1), drawn in each training step, b is the
    `temperature` and (l, h) are the `limits`. At test time the gate is
    clip(sigmoid(ln a) (h - l) + l, 0, 1). The layer computes with z w. A dense
    layer has a gate per input unit, a convolution one per output feature map.
    Biases have none: the authors' code gates those of a convolution at test
    time and omits them in training. The loss gains the expected cost of the
    weights of open gates,

        sum over groups of P(z > 0) (strength n + prior_precision |w|^2 / 2)
        / examples,  P(z > 0) = sigmoid(ln a - b ln(-l / h)),

    where w are the n weights of the group. The ln a are ordinary trainable
    variables, constrained to [ln 0.01, ln 100]; the optimizer should not decay
    them (`exclude_from_weight_decay` with `var_names=["log_alpha"]`).

    Defaults are those of the authors' code, except for `prior_precision`,
    which is 5e-4 in its LeNet-5, and the decay of biases, which is left to
    regularizers here. The code trains with Adam at 1e-3 for 200 epochs in
    batches of 100, and tests on an average of the weights (`use_ema=True`,
    `ema_momentum=0.999` in Keras' optimizers).

    Args:
        model: A built Keras model without masks. It is not modified.
        examples: Integer >= 1, the number of training examples. The paper's
            penalty is for their summed loss; Keras' loss is a mean.
        strength: Number >= 0, the cost of an open gate per weight of the
            group, the paper's lambda. A dict from names of weights or layers,
            or regular expressions, to numbers sets it per weight. Defaults to
            1.
        drop_rate: Probability in (0, 1) that a gate starts below 1/2: a starts
            near (1 - drop_rate) / drop_rate. Also a dict. Defaults to 0.5. The
            authors' code has 0.2 on the inputs of an MLP.
        prior_precision: Number >= 0, the strength of the L2 penalty on weights
            of open gates. Defaults to 0.
        temperature: Number > 0; smaller ones push gates closer to 0 or 1.
            Defaults to 2/3.
        limits: The interval to which a gate is stretched before clipping, a
            number < 0 and one > 1. Defaults to (-0.1, 1.1).
        exclude: Names of weights or layers, or regular expressions, to leave
            without gates.
        seed: Integer >= 0, for the noise and the initial ln a. Defaults to 0.

    Returns:
        A Keras model, compiled like `model` with a fresh optimizer if `model`
        is compiled. `kprune.learned.sparsity` returns its sparsity,
        `kprune.learned.to_masked` converts it to a model with masks.

    Raises:
        ValueError: If an argument is out of range, if the model is not built,
            has no prunable weight, has masks or is reparametrized already, or
            if a name matches no weight or a weight no name.

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
    """Calls a function: before Keras 3.15, `add_weight` accepts none."""

    def __init__(self, function):
        self._function = function

    def __call__(self, x):
        del x
        return self._function()


class _Held(keras.constraints.Constraint):
    """Clips log(alpha) to its bounds."""

    def __call__(self, log_alpha):
        return ops.clip(log_alpha, *_BOUNDS)


@keras.saving.register_keras_serializable("kprune")
class HardConcrete(Reparametrization):
    """Multiplies groups of a weight by hard-concrete gates.

    Args:
        examples: Integer >= 1, the number of training examples.
        strength, drop_rate, prior_precision, temperature, limits: As for
            `kprune.learned.hard_concrete`, without dicts.
        axes: The axes of `view` that index the groups. Defaults to the first.
        view: The shape to reshape the weight to. Defaults to its own.
        seed: Integer, for the noise and the initial ln a. Defaults to 0.
        **kwargs: Arguments of a Keras layer.

    Example:

    >>> part = kprune.learned.HardConcrete(examples=60000)
    >>> part(keras.ops.ones((300, 100))).shape
    TensorShape([300, 100])
    """

    options = ("examples", *_RANGES, "limits", "axes", "view", "seed")

    def __init__(
        self,
        examples: int,
        strength: float = 1.0,
        drop_rate: float = 0.5,
        prior_precision: float = 0.0,
        temperature: float = 2 / 3,
        limits: Sequence[float] = (-0.1, 1.1),
        axes: Sequence[int] = (0,),
        view: Sequence[int] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.examples = checks.integer("examples", examples, 1)
        numbers = (strength, drop_rate, prior_precision, temperature)
        for (name, interval), n in zip(_RANGES.items(), numbers, strict=True):
            setattr(self, name, checks.number(name, n, interval))
        self.limits = _checked_limits(limits)
        self.axes = tuple(axes)
        self.view = None if view is None else tuple(view)
        self.seed = seed

    def build(self, input_shape: Sequence[int]) -> None:
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

    def call(self, w: Any, training: bool = False) -> Any:
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

    def open_probability(self) -> Any:
        """Returns P(z > 0) of each gate, a tensor of shape (groups,)."""
        low, high = self.limits
        shift = self.temperature * math.log(-low / high)
        p = ops.sigmoid(ops.convert_to_tensor(self.log_alpha) - shift)
        return ops.clip(p, _EPSILON, 1 - _EPSILON)

    def penalty(self) -> Any:
        """Returns the penalty on gates and weight, a scalar tensor."""
        view, groups = self._shapes
        shared = [i for i in range(len(view)) if i not in self.axes]
        w = ops.cast(self.weight.value, self.variable_dtype)
        squares = ops.sum(ops.reshape(w, view) ** 2, axis=shared)
        cost = self.strength * (math.prod(view) / math.prod(groups))
        cost = cost + 0.5 * self.prior_precision * ops.reshape(squares, [-1])
        return ops.sum(self.open_probability() * cost) / self.examples


def _by_weight(value, names, argument):
    """Returns the value of each weight, a dict by name."""
    if not isinstance(value, dict):
        return dict.fromkeys(names, value)
    found = {}
    for pattern, number in value.items():
        what = f"weight in `{argument}`"
        matched = weights.matched(pattern, names, what)
        found.update(dict.fromkeys(matched, number))
    if missing := [name for name in names if name not in found]:
        raise ValueError(
            f"`{argument}` has no number for {', '.join(missing)}. Expected a "
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
