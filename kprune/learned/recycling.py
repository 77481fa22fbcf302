"""Iterative weight recycling (Gorbett and Whitley, 2023).

https://arxiv.org/abs/2303.15953
"""

from typing import Any

import keras
import numpy as np

from kprune.learned.learned_mask import TopK
from kprune.learned.selected import choices
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


class WeightRecycling(keras.callbacks.Callback):
    """Overwrites the frozen weights of low scores with those of high scores.

        w[low_i] = w[high_i],  i = 1, ..., k,  k = floor(rate * size)

    Within each weight tensor, low are the k entries of the lowest |score| and
    high the k of the highest, both in ascending order. Scores stay as they
    are. Recycling takes place after every `every` epochs, but not after the
    last one. Resumes bit for bit.

    Args:
        rate: Share of each weight tensor to overwrite, in (0, 0.5]. Defaults
            to 0.1, as in the authors' configurations.
        every: Integer >= 1, epochs from one recycling to the next. The authors
            have 1 to 3, by the network. Defaults to 3.

    Raises:
        ValueError: If an argument is invalid; during training, if the model is
            not one of `edge_popup` or `biprop`.

    Example:

    >>> net = kprune.select(model, "edge_popup", sparsity=0.5)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> net.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    >>> recycling = kprune.learned.WeightRecycling(rate=0.1, every=1)
    >>> history = net.fit(
    ...     train.take(2), epochs=2, callbacks=[recycling], verbose=0)
    """

    @checked(rate=checks.within("(0, 0.5]"), every=checks.at_least(1))
    def __init__(self, rate: float = 0.1, every: int = 3) -> None:
        super().__init__()
        self.rate = rate
        self.every = every
        self._recycled: int | None = None

    def get_state(self) -> dict[str, Any]:
        """Returns the state to resume from: the last epoch it recycled at."""
        return {"recycled": self._recycled}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned; call it after
        `on_train_begin`."""
        self._recycled = state["recycled"]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._recycled = None
        parts = [part for *_, part in choices(self.model)]
        if not parts or not all(isinstance(part, TopK) for part in parts):
            raise ValueError(
                "Expected a model of `edge_popup` or `biprop`, which rank "
                f"weights by scores. Received: {self.model.name!r}, with "
                f"{'other selections' if parts else 'no selection'}. See "
                "`kprune.select`."
            )

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        # A resumed epoch that began before is not recycled for again.
        if epoch in (0, self._recycled) or epoch % self.every:
            return
        for _, variable, part in choices(self.model):
            scores = keras.ops.convert_to_numpy(part.scores)
            values = keras.ops.convert_to_numpy(variable)
            variable.assign(recycled(values, scores, self.rate))
        self._recycled = epoch


def recycled(values, scores, rate):
    """Returns a copy of `values` with the entries of the lowest |score| set to
    those of the highest.

    Args:
        values, scores: Arrays of one shape.
        rate: Share of the entries to overwrite, in (0, 0.5].
    """
    count = int(rate * values.size)
    order = np.argsort(np.abs(scores), axis=None, kind="stable")
    flat = values.flatten()
    flat[order[:count]] = flat[order[values.size - count :]]
    return flat.reshape(values.shape)


METHOD = Method(
    "WeightRecycling",
    title="iterative weight recycling",
    formula=r"w_{\operatorname{low}_i} \leftarrow w_{\operatorname{high}_i}, "
    r"\quad i = 1, \ldots, \lfloor r \cdot \operatorname{size}(w) \rfloor",
    call="kprune.learned.WeightRecycling(rate=0.1, every=3)",
    paper="Gorbett and Whitley, 2023",
    link="https://arxiv.org/abs/2303.15953",
    test="tests/learned/test_recycling.py::test_recycling_by_hand",
    deviation="recycles first after `every` epochs; the authors' code one "
    "epoch later",
)
