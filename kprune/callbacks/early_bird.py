"""Finds early-bird tickets: masks that settle early in training.

You et al., 2020, https://arxiv.org/abs/1909.11957.
"""

import collections

import numpy as np

from kprune.callbacks.base import PruningCallback
from kprune.masking.masks import Budget, hamming
from kprune.pruning import recipes, schedules, scope
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.renamed import renamed
from kprune.scoring import batches, config


class EarlyBird(PruningCallback):
    """Ends training once the mask that pruning would draw no longer changes.

    After each epoch it draws the masks that pruning the network now would
    give, and compares them with those of the epochs before: the share of all
    channels that differ, or of whatever is removed as one. Once the newest is
    within `tolerance` of each of the `window - 1` before it, the ticket has
    emerged. Nothing is pruned yet:

        model.fit(train, epochs=160, callbacks=[early_bird])
        ticket = kprune.wrap(model)
        kprune.set_masks(ticket, early_bird.masks)

    goes on from the weights that are there, and `kprune.shrink(ticket)` from
    a smaller network; the paper also draws them anew
    (`kprune.sanity.reinitialize`). For channels by the scales of batch
    normalization, train with an L1 penalty on them
    (`kprune.callbacks.regularization.slim`).

    Of equal scores other ones are drawn each time, so that a network that
    does not learn has no early bird. To Keras' `logs` it adds `mask_distance`,
    the largest of the distances, as soon as there are two masks.

    Args:
        method: A name that `kprune.prune` takes, a `kprune.Pruner` or a
            criterion. Defaults to `"bn_gamma"`, the paper's; `"magnitude"`
            is for single weights. It is drawn in one round.
        sparsity: Share of the groups to remove, in [0, 1). Defaults to 0.5.
        tolerance: Float in [0, 1], the largest distance. Defaults to 0.1.
        window: Integer >= 2, how many masks must agree. Defaults to 5.
        stop: Whether to end training there. Defaults to `True`. Else the
            first masks that emerge are kept, and training goes on.
        data, loss, scoring, seed: As for `kprune.prune`, but `data` is read
            after each epoch: no generator.
        **options: As for `kprune.prune`: axes that replace those of the
            method, and its own options.

    Attributes:
        masks: Dict of the masks that emerged, by weight name, or `None`.
        emerged_epoch: Integer, the epoch after which they did, the first one
            being 1, or `None`.

    Raises:
        ValueError: If an argument does not fit; when training begins, if the
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
        method="bn_gamma",
        sparsity=0.5,
        *,
        tolerance=0.1,
        window=5,
        stop=True,
        data=None,
        loss=None,
        scoring=None,
        seed=0,
        **options,
    ):
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
        self._before = collections.deque(maxlen=window - 1)
        self.masks = None
        self.emerged_epoch = None

    def get_state(self):
        """Returns what a resumed run needs: the masks that were drawn."""
        return {
            "before": [_packed(groups) for groups in self._before],
            "masks": None if self.masks is None else _packed(self.masks),
            "emerged_epoch": self.emerged_epoch,
        }

    def set_state(self, state):
        """Goes on from what `get_state` returned."""
        self._before.clear()
        self._before.extend(map(_unpacked, state["before"]))
        self.masks = state["masks"] and _unpacked(state["masks"])
        self.emerged_epoch = state["emerged_epoch"]

    def on_train_begin(self, logs=None):
        self._before.clear()
        self.masks = self.emerged_epoch = None
        self.find_weights()
        # Raises now, not an epoch later, if the method does not fit the model.
        objective, grain = self.objective(), self.pruner.grain
        self.pruner.ranking(objective, objective.masks, 1)
        self._grouping = grain.grouping(self.model, objective.layouts)

    def on_epoch_end(self, epoch, logs=None):
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
        """Returns the masks that pruning now gives, and the groups left."""
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
