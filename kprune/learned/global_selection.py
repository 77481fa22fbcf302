"""biprop's single ranking over all weights (Diffenderfer and Kailkhura, 2021).

https://arxiv.org/abs/2103.09377
"""

from typing import Any

import keras
import numpy as np

from kprune.learned.learned_mask import TopK
from kprune.learned.selected import choices
from kprune.masking import masks
from kprune.pruning import schedules
from kprune.runtime import checks, seeds


class GlobalSelection(keras.callbacks.Callback):
    """Ranks the scores of all weights together, at a rising sparsity.

    At the start of each epoch it counts how many of the highest |s| over all
    weights each weight tensor has, and sets the number of entries that the
    tensor keeps in this epoch. The sparsity rises from 0 on a cubic curve: at
    the final sparsity, global ranking of the initial scores would empty single
    layers.

    Args:
        sparsity: Final share of the weights to leave out, in [0, 1).
        epochs: Integer >= 1, the first epoch, counted from 0, at the final
            sparsity. Defaults to 10.

    Raises:
        ValueError: If an argument is invalid; during training, if it ends
            before this epoch, or the model is not one of `edge_popup` or
            `biprop`.

    Example:

    >>> net = kprune.select(model, "biprop", sparsity=0.5)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> net.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    >>> warm_up = kprune.learned.GlobalSelection(0.5, epochs=1)
    >>> history = net.fit(
    ...     train.take(2), epochs=2, callbacks=[warm_up], verbose=0)
    >>> kprune.learned.sparsity(net)
    0.5
    """

    def __init__(self, sparsity: float, epochs: int = 10) -> None:
        super().__init__()
        checks.sparsity("sparsity", sparsity)
        checks.integer("epochs", epochs, 1)
        self.sparsity = sparsity
        self.epochs = epochs
        self._counted: int | None = None

    def get_state(self) -> dict[str, Any]:
        """Returns the state to resume from: the last epoch it counted in."""
        return {"counted": self._counted}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned; call it after
        `on_train_begin`."""
        self._counted = state["counted"]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._counted = None
        if self.params["epochs"] <= self.epochs:
            raise ValueError(
                f"Training has {self.params['epochs']} epochs. Expected more "
                f"than `epochs`={self.epochs}, which is the first epoch, "
                "counted from 0, at the final sparsity."
            )

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if epoch == self._counted:  # The epoch is resumed midway.
            return
        parts = [part for *_, part in choices(self.model)]
        if not parts or not all(isinstance(part, TopK) for part in parts):
            raise ValueError(
                "Expected a model of `edge_popup` or `biprop`, which keep a "
                "number of weights."
            )
        sparsity = self.sparsity
        if epoch < self.epochs:
            sparsity = schedules.cubic(epoch / self.epochs, self.sparsity)
        scores = [np.abs(part.scores.numpy()).ravel() for part in parts]
        ends = np.cumsum([len(one) for one in scores])
        joined = np.concatenate(scores)
        count = masks.count_kept(joined.size, sparsity)
        rng = seeds.stream(0, "global_selection", epoch)
        kept = masks.top_k(joined, count, rng)
        for part, mask in zip(parts, np.split(kept, ends[:-1]), strict=True):
            part.count.assign(np.count_nonzero(mask))
        self._counted = epoch
