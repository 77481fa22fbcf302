"""Finds early-bird tickets: masks that settle early in training.

You et al., 2020, https://arxiv.org/abs/1909.11957.
"""

import collections
from typing import Any

import numpy as np

from kprune.callbacks.base import PruningCallback
from kprune.masking.masks import Budget, hamming
from kprune.pruning import recipes, schedules, scope
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.renamed import renamed
from kprune.scoring import batches, config


class EarlyBird(PruningCallback):
    """Stops training once the masks that pruning would give have settled.

    After each epoch it computes the masks that pruning the network now would
    give, without applying them. The distance of two masks is the share of
    groups (such as channels) in which they differ. Once the newest masks are
    within `tolerance` of each of the `window - 1` before, the ticket has
    emerged. The model itself stays dense:

        model.fit(train, epochs=160, callbacks=[early_bird])
        ticket = kprune.wrap(model)
        kprune.set_masks(ticket, early_bird.masks)

    This continues from the current weights, and `kprune.shrink(ticket)` in a
    smaller network; the paper also reinitializes the weights
    (`kprune.sanity.reinitialize`). To rank channels by the scales of batch
    normalization, train with an L1 penalty on the scales
    (`kprune.callbacks.regularization.slim`).

    Ties are broken at random and differently each time, so that a network that
    does not learn has no early bird. Adds `mask_distance`, the largest of the
    distances, to Keras' `logs` from the second masks on.

    Args:
        method: A name that `kprune.prune` takes, a `kprune.Pruner` or a
            criterion. Defaults to `"bn_gamma"`, the paper's; `"magnitude"`
            is for single weights. Masks are computed in one round.
        sparsity: Share of the groups to remove, in [0, 1). Defaults to 0.5.
        tolerance: Float in [0, 1], the largest distance. Defaults to 0.1.
        window: Integer >= 2, how many masks must agree. Defaults to 5.
        stop: Whether to stop training once the ticket has emerged. Defaults
            to `True`. `False` keeps these masks and trains on.
        data, loss, scoring, seed: As for `kprune.prune`, but `data` is read
            after each epoch and cannot be a generator.
        **options: As for `kprune.prune`: axes that replace the method's, and
            the method's own options.

    Attributes:
        masks: Dict of the masks that emerged, by weight name, or `None`.
        emerged_epoch: Integer, the epoch after which they emerged, from 1, or
            `None`.

    Raises:
        ValueError: If an argument is invalid; when training begins, if the
            method does not fit the model.

    Example:

    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss)
    >>> early_bird = kprune.callbacks.EarlyBird("magnitude", 0.5, window=3)
    >>> history = model.fit(
    ...     train, epochs=10, callbacks=[early_bird], verbose=0)
    >>> early_bird.emerged_epoch < 10
    True
    """

    @renamed(**config.WAYS)
    @checked(method=None, sparsity=None, stop=checks.boolean)
    def __init__(
        self,
        method: types.Criterion | Pruner = "bn_gamma",
        sparsity: float | None = 0.5,
        *,
        tolerance: float = 0.1,
        window: int = 5,
        stop: bool = True,
        data: types.Data | None = None,
        loss: types.Loss | None = None,
        scoring: config.ScoringConfig | dict[str, Any] | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        scope.refuse_axes(
            options, ("schedule", "rounds"), "Masks are drawn in one round."
        )
        batches.refuse_what_is_read_once(data)
        pruner = recipes.get(method, **options)
        super().__init__(pruner, data, loss, scoring, seed)
        self._sparsity = scope.sparsity_of(self.pruner.grain, sparsity)
        self._tolerance = checks.number("tolerance", tolerance, "[0, 1]")
        self._stop = stop
        window = checks.integer("window", window, 2)
        self._before: collections.deque[dict[str, np.ndarray]] = (
            collections.deque(maxlen=window - 1)
        )
        self.masks: dict[str, np.ndarray] | None = None
        self.emerged_epoch: int | None = None

    def get_state(self) -> dict[str, Any]:
        """Returns the state to resume from: the masks drawn so far."""
        return {
            "before": [_packed(groups) for groups in self._before],
            "masks": None if self.masks is None else _packed(self.masks),
            "emerged_epoch": self.emerged_epoch,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned."""
        self._before.clear()
        self._before.extend(map(_unpacked, state["before"]))
        self.masks = state["masks"] and _unpacked(state["masks"])
        self.emerged_epoch = state["emerged_epoch"]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._before.clear()
        self.masks = self.emerged_epoch = None
        self.find_weights()
        # Raises now, not an epoch later, if the method does not fit the model.
        objective, grain = self.objective(), self.pruner.grain
        self.pruner.ranking(objective, objective.masks, 1)
        self._grouping = grain.grouping(self.model, objective.layouts)

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        masks, new = self._draw(epoch + 1)
        distances = [_distance(new, old) for old in self._before]
        if logs is not None and distances:
            logs["mask_distance"] = max(distances)
        full = len(distances) == self._before.maxlen
        self._before.append(new)
        settled = full and max(distances) <= self._tolerance
        if self.masks is None and settled:
            self.masks, self.emerged_epoch = masks, epoch + 1
            if self._stop:
                self.model.stop_training = True

    def _draw(self, number):
        """Returns the masks that pruning would give now, and the groups they
        keep."""
        one_shot, rule = schedules.get("one_shot"), self.pruner.count
        budget = Budget(self._sparsity, one_shot, 1, rule=rule)
        _, found = self.draw(budget, number)
        return found, self._grouping.live(found)


def _distance(one, other):
    """Returns the share of the groups in which two draws differ."""
    return hamming(one, other) / sum(groups.size for groups in one.values())


def _packed(found):
    return {
        name: {"bits": np.packbits(array), "shape": list(array.shape)}
        for name, array in found.items()
    }


def _unpacked(packed):
    return {
        name: np.unpackbits(one["bits"], count=int(np.prod(one["shape"])))
        .astype(bool)
        .reshape(one["shape"])
        for name, one in packed.items()
    }


METHOD = Method(
    "EarlyBird",
    title="early-bird tickets",
    call='kprune.callbacks.EarlyBird("bn_gamma", 0.5)',
    paper="You et al., 2020",
    link="https://arxiv.org/abs/1909.11957",
    test="tests/callbacks/test_early_bird.py::test_when_it_emerges",
    deviation="masks are drawn after epochs, never before the first, where the "
    "released code finds an empty one",
)
