"""ProsPr: prospect pruning by meta-gradients (Alizadeh et al., 2022)."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from kprune.masking.masks import apply
from kprune.runtime import checks, types
from kprune.runtime.disk_list import Spool
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective
from kprune.scoring.tapes import Tapes

_WHETHER = dict.fromkeys(
    ("first_order", "fresh_batches", "signed", "detached"), checks.boolean
)


def _how(name, value):
    if not (isinstance(value, str) and value == "auto"):
        expected = "a boolean, or 'auto'"
        checks.instance(name, value, bool | np.bool_, expected)


@checked(
    masks=None,
    unrolled=_how,
    budget=checks.optional(checks.integer),
    **_WHETHER,
)
def prospr(
    objective: Objective,
    weights: types.Tensors,
    masks: types.Masks,
    inner_steps: int = 3,
    inner_learning_rate: float = 0.1,
    inner_momentum: float = 0.0,
    first_order: bool = False,
    fresh_batches: bool = True,
    signed: bool = False,
    detached: bool = False,
    unrolled: bool | str = "auto",
    budget: int | None = None,
) -> types.Scores:
    """Scores a weight by its effect on the loss after steps of training.

        score = |w * dL(w_M) / dw_0|,  w_0 = w * mask,
        w_{m+1} = w_m - a v_{m+1},  v_{m+1} = b v_m + dL/dw (w_m)

    The meta-gradient is exact and computed by its adjoint: with u = dL/dw
    (w_M) and z = 0, for m from M - 1 to 0: z <- b z - a u, u <- u + H(w_m) z.
    It takes M Hessian-vector products and stores the M points, on disk beyond
    64 MiB, and the activations of as many steps as memory allows;
    backpropagation through the steps stores those of all steps. Biases and
    batch normalization's gamma and beta take the inner steps too. Pruned
    weights stay pruned.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
        inner_steps: Integer >= 0, M. With 0 this is SNIP. The paper takes 3.
        inner_learning_rate: Float > 0, a. The paper states none; 0.1 is its
            released code's default.
        inner_momentum: Float in [0, 1), b.
        first_order: Whether to leave out the Hessians: |w * dL/dw (w_M)|.
        fresh_batches: Whether inner step m reads batch m of the data and the
            loss after the steps batch M, as in the paper; if there are too
            few, they start over. `False` reads all batches in each step, as
            the released code does with its single batch.
        signed: Whether to leave out the absolute value, for granularities
            that sum over a group first: `kprune.Channel(reduce="abs_sum")`.
        detached: Whether the momentum of the first step counts as constant,
            as in the released code: the Hessian of step 0 is left out.
        unrolled: How to compute the adjoint. `"auto"` (default) keeps the
            tapes of as many steps as fit `budget`, at least the last one's,
            and recomputes the others: ten gradients' work for three steps,
            where `False`, which keeps no tape, takes thirteen. The scores are
            bit-equal. `absl.logging.info` reports how many tapes are kept.
            Traced products, as those of more than ten steps are unless
            `scoring` says `compiled=False`, keep no tape. `True`
            backpropagates through the steps instead; the adjoint is tested
            against it.
        budget: Integer >= 0, bytes of memory for the tapes. Defaults to a
            quarter of the free memory; on a GPU, where that is unknown, to 0.
    """
    checks.integer("inner_steps", inner_steps)
    checks.number("inner_learning_rate", inner_learning_rate, "(0, inf)")
    checks.number("inner_momentum", inner_momentum, "[0, 1)")
    start = {**apply(masks, weights), **objective.others}
    auto = isinstance(unrolled, str)
    at_once = unrolled and not auto and not first_order
    batches = 1 if fresh_batches else objective.batch_count
    objective.progress.expect((inner_steps + 1) * batches, "gradient")
    if not (at_once or first_order):
        objective.progress.expect(inner_steps * batches, "hvp")
    by_operation = objective.by_operation() if auto else None
    tapes = Tapes(inner_steps, budget) if by_operation else None
    objective = by_operation or objective
    steps = _Steps(
        [
            objective.on(m) if fresh_batches else objective
            for m in range(inner_steps + 1)
        ],
        masks,
        inner_learning_rate,
        inner_momentum,
        detached and inner_momentum > 0,
    )
    if at_once:
        meta = _unrolled(steps, start)
    else:
        meta = _adjoint(steps, start, first_order, tapes)
    scores = {name: w * meta[name] for name, w in weights.items()}
    if signed:
        return scores
    return {name: tf.abs(score) for name, score in scores.items()}


class _Steps:
    """Inner training steps: `take` runs one, `pull_back` its adjoint."""

    def __init__(self, objectives, masks, rate, momentum, detached):
        *self.objectives, self.last = objectives
        self._pruned = {n: m for n, m in masks.items() if not m.all()}
        self._rate, self._momentum = float(rate), float(momentum)
        self._detached = detached

    def take(self, number, w, velocity):
        """Returns the weights and the velocity after step `number`."""
        gradient = self._masked(self.objectives[number].gradient(w))
        if velocity is not None and self._momentum:
            velocity = _combined(self._momentum, velocity, 1.0, gradient)
        elif self._detached:
            velocity = tf.nest.map_structure(tf.stop_gradient, gradient)
        else:
            velocity = gradient
        return _combined(1.0, w, -self._rate, velocity), velocity

    def pull_back(self, number, w, u, z):
        """Returns the derivatives by weights and velocity before a step.

        Args:
            number: Integer, the step.
            w: Dict of the weights before the step.
            u, z: Dicts of the derivatives by weights and velocity after it.
        """
        # The step masked the gradient; its transpose masks first.
        hvp = self.objectives[number].hvp
        if not self._momentum:  # Then z is just -a u: two passes fewer.
            product = hvp(w, self._masked(u))
            return _combined(1.0, u, -self._rate, product), z
        z = _combined(self._momentum, z, -self._rate, u)
        if not (self._detached and number == 0):
            u = _combined(1.0, u, 1.0, hvp(w, self._masked(z)))
        return u, z

    def _masked(self, values):
        pruned = {name: values[name] for name in self._pruned}
        return {**values, **apply(self._pruned, pruned)}


def _combined(a, x, b, y):
    """Returns a x + b y of two dicts of tensors."""
    return {name: a * value + b * y[name] for name, value in x.items()}


def _adjoint(steps, start, first_order, tapes):
    count = len(steps.objectives)
    points = Spool(in_memory=2**26)
    w, velocity = start, None
    for m in range(count):
        if not first_order:
            points.append({name: value.numpy() for name, value in w.items()})
        if tapes is not None and not first_order:
            tapes.keep(steps.objectives, m)
        w, velocity = steps.take(m, w, velocity)
    u = steps.last.gradient(w)
    if first_order:
        return u
    if tapes is not None:
        tapes.tell()
    z = {name: tf.zeros_like(value) for name, value in u.items()}
    for m in reversed(range(count)):
        u, z = steps.pull_back(m, points[m], u, z)
    return u


def _unrolled(steps, start):
    with tf.GradientTape() as tape:
        tape.watch(start)
        w, velocity = start, None
        for m in range(len(steps.objectives)):
            w, velocity = steps.take(m, w, velocity)
        loss = steps.last.value(w)
    return tape.gradient(
        loss, start, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )


def recipe(
    criterion: Callable[..., types.Scores],
    structured: bool = False,
    released_code: bool = False,
) -> dict[str, Any]:
    """Returns the fields of ProsPr's `kprune.Pruner`.

    Args:
        criterion: `prospr`, with its options.
        structured: Whether to prune channels, by the meta-gradient of a gate
            on each, as `granularity="channel"` does.
        released_code: Whether the momentum of the first step counts as
            constant (`detached`) and counts are rounded up, as in the
            released code. That code also uses `fresh_batches=False`.
    """
    found: dict[str, Any] = {}
    if structured:
        found["granularity"] = "channel"
    if released_code:
        found["criterion"] = functools.partial(criterion, detached=True)
        found["count"] = "ceil_keep"
    return found


_PAPER: dict[str, Any] = {
    "paper": "Alizadeh et al., 2022",
    "link": "https://arxiv.org/abs/2202.08132",
}
METHODS = (
    Method(
        "prospr",
        title="ProsPr",
        formula=r"\left\lvert w \odot \frac{\partial L(w_M)}{\partial w_0} "
        r"\right\rvert, \quad w_0 = w \odot m, \quad w_{t+1} = w_t - \alpha "
        r"v_{t+1}, \quad v_{t+1} = \beta v_t + \frac{\partial L}{\partial "
        r"w}(w_t)",
        call='kprune.prune(model, "prospr", 0.95, data=data)',
        test="tests/pruning/test_finite_differences.py::"
        "test_prospr_is_the_change_of_the_loss_after_the_steps",
        deviation="the paper names no inner learning rate: 0.1, as its code "
        "has",
        build=recipe,
        channel={"reduce": "abs_sum"},
        channel_options={"signed": True},
        **_PAPER,
    ),
    Method(
        "prospr",
        title="ProsPr, first order",
        call='kprune.prune(model, "prospr", 0.95, data=data, first_order=True)',
        test="tests/pruning/test_finite_differences.py::"
        "test_first_order_prospr_is_the_weight_times_the_last_gradient",
        **_PAPER,
    ),
    Method(
        "prospr",
        title="ProsPr, structured",
        call='kprune.prune(model, "prospr", 0.8, data=data, '
        'granularity="channel")',
        test="tests/pruning/test_prospr.py::"
        "test_structured_prospr_ranks_channels_by_the_sum_with_its_sign",
        deviation="what reads a channel is masked too; channels that are "
        "added go together",
        **_PAPER,
    ),
)
