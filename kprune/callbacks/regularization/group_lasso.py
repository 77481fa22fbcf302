"""PruneTrain's group lasso on channels (Lym et al., 2019).

https://arxiv.org/abs/1901.09290
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kprune.callbacks.regularization.added import Added, attach, take_off
from kprune.graph import channels
from kprune.masking import weights
from kprune.pruning.granularity import coupled_channels
from kprune.runtime import checks, types
from kprune.runtime.doors import checked
from kprune.runtime.words import shown
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective

_EPSILON = 1e-8


class GroupLasso(keras.callbacks.Callback):
    """Penalizes the norms of whole channels while a model trains.

        loss += lambda R,  R = sum over kernels and channels of |group|

    A group is the entries of one kernel that produce an output channel, or
    that read an input channel; |group| = sqrt(sum of w^2 + 1e-8). Channels
    that must stay have no penalty: those of the model's inputs and outputs,
    and those that cannot be followed through the graph. The loss that `fit`
    shows includes the penalty; the logs show it as `group_lasso` as well.

    Without `strength`, lambda is set once, when training begins:

        lambda = ratio * loss_0 / ((1 - ratio) R_0)

    so that the penalty starts as this share of the total loss. loss_0 is the
    loss of the first batch of `data`, computed with batch normalization in
    training mode and without dropout or other penalties.

    Args:
        strength: Number > 0, lambda. Exactly one of `strength` and `data` is
            given.
        ratio: Number in (0, 1), for `data`. Defaults to 0.2.
        data: Data as for `fit`, from which lambda is set.
        weighted: Whether |group| is multiplied by the square root of its
            number of entries. Defaults to `False`.

    Attributes:
        strength: Float, lambda; with `data`, `None` before training.

    Raises:
        ValueError: If an argument is invalid; when training begins, if the
            model is not a graph of layers or has no channel that may go.

    Example:

    >>> model.compile("sgd", kprune.training.SmoothedCrossentropy(0.0))
    >>> lasso = kprune.callbacks.regularization.GroupLasso(data=train)
    >>> history = model.fit(train, callbacks=[lasso], verbose=0)
    >>> list(history.history)
    ['loss', 'group_lasso']
    """

    @checked()
    def __init__(
        self,
        strength: float | None = None,
        *,
        ratio: float | None = None,
        data: types.Data | None = None,
        weighted: bool = False,
    ) -> None:
        super().__init__()
        if (strength is None) == (data is None):
            raise ValueError(
                "Expected either `strength`, or `data` to set it by. Received: "
                f"strength={shown(strength)}, data={shown(data)}"
            )
        if strength is not None:
            why = "None, as `strength` is given"
            checks.require(ratio is None, "ratio", ratio, why)
            checks.number("strength", strength, "(0, inf)")
        self.strength = strength
        ratio = 0.2 if ratio is None else ratio
        self.ratio = checks.number("ratio", ratio, "(0, 1)")
        self.weighted = weighted
        self._data = data
        self._added: list[tuple[Any, _Lasso]] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # An interrupted training may have left its penalty on the model.
        take_off(self.model, self._added)
        with self.model.distribute_strategy.scope():
            self._factor = keras.Variable(0.0, trainable=False, name="lambda")
        self._added = _penalties(self.model, self._factor, self.weighted)
        strength = self.strength
        self._set(self._start() if strength is None else strength)
        attach(self.model, self._added)

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if logs is not None:
            logs["group_lasso"] = self.strength * self._norm()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        take_off(self.model, self._added)
        self._added = []

    def get_state(self) -> dict[str, Any]:
        """Returns the state to resume from: lambda."""
        return {"strength": self.strength}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the lambda that `get_state` returned."""
        self._set(state["strength"])

    def _set(self, strength):
        self.strength = float(strength)
        self._factor.assign(self.strength)

    def _start(self):
        scoring = ScoringConfig(batches=1)
        objective = Objective(self.model, self._data, scoring=scoring)
        loss = float(objective.value(objective.weights))
        return self.ratio * loss / ((1 - self.ratio) * self._norm())

    def _norm(self):
        """Returns R, the sum of the norms of all groups."""
        return sum(float(one.norms(v.value)) for v, one in self._added)


class _Lasso(Added):
    """Lambda times the norms of the groups along axes of a kernel.

    Args:
        factor: Scalar variable, lambda.
        axes: List of tuples: the axis; the group of each index along it, -1
            for none; the number of groups; the weight of each group.
    """

    def __init__(self, factor, axes):
        super().__init__()
        self.factor = factor
        self.axes = axes

    def norms(self, w):
        total = tf.zeros([], w.dtype)
        for axis, groups, count, importance in self.axes:
            others = [a for a in range(len(w.shape)) if a != axis]
            squares = tf.reduce_sum(tf.square(w), others)
            # The op ignores negative segment ids.
            squares = tf.math.unsorted_segment_sum(squares, groups, count)
            norm = tf.sqrt(squares + tf.cast(_EPSILON, w.dtype))
            total += tf.reduce_sum(norm * tf.cast(importance, w.dtype))
        return total

    def penalty(self, w):
        return tf.cast(self.factor.value, w.dtype) * self.norms(w)


def _penalties(model, factor, weighted):
    """Returns pairs (kernel, penalty) of all kernels that may lose channels."""
    if not channels.followable(model):
        raise ValueError(
            "GroupLasso needs a model that is a graph of layers (Sequential "
            "or Functional), in which channels can be followed. Received: "
            f"{type(model).__name__} {model.name!r}"
        )
    found, kernels = channels.build_channel_map(model), weights.prunable(model)
    free = coupled_channels.may_go(found, model, list(kernels), False)
    pairs = []
    for name, weight in kernels.items():
        axes = []
        for axis in found.axes.get(name, ()):
            if free[axis.groups].any():
                entries = weight.layout.size // len(axis.groups)
                axes.append(_groups(axis, free, entries, weighted))
        if axes:
            pairs.append((weight.variable, _Lasso(factor, axes)))
    if not pairs:
        raise ValueError(
            f"Model {model.name!r} has no channel that may go: all belong to "
            "its inputs or outputs, or cannot be followed."
        )
    return pairs


def _groups(axis, free, entries, weighted):
    there = np.unique(axis.groups[free[axis.groups]])
    numbers = np.searchsorted(there, axis.groups)
    numbers = np.where(free[axis.groups], numbers, -1)
    importance = np.ones(len(there))
    if weighted:
        places = np.bincount(numbers[numbers >= 0], minlength=len(there))
        importance = np.sqrt(places * entries)
    return axis.number, numbers, len(there), importance
