"""Early-bird tickets: masks that show before training is over.

You et al., 2020, https://arxiv.org/abs/1909.11957.
"""

import collections

import keras
import numpy as np

from kprune.masking.masks import Budget, hamming
from kprune.pruning import recipes, schedules, scope
from kprune.runtime import distribution, seeds
from kprune.scoring import batches
from kprune.scoring.objective import Objective


class EarlyBird(keras.callbacks.Callback):
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

    Masks are drawn after epochs, never before the first, where all scales are
    equal; of equal scores other ones are drawn each time, so that a network
    that does not learn has no early bird.

    To Keras' `logs` it adds `mask_distance`, the largest of the distances, as
    soon as there are two masks. It goes on doing so where training does.

    Args:
        method: A name that `kprune.prune` takes, a `kprune.Pruner` or a
            criterion. Defaults to `"bn_gamma"`, the paper's; `"magnitude"`
            is for single weights. It is drawn in one round.
        sparsity: Share of the groups to remove, in [0, 1). Defaults to 0.5.
        tolerance: Float in [0, 1], the largest distance. Defaults to 0.1.
        window: Integer >= 2, how many masks must agree. Defaults to 5.
        stop: Whether to end training there. Defaults to `True`. Else the
            first masks that emerge are kept, and training goes on.
        granularity, allocation: Replace these of the method.
        data, loss, scoring, exclude, seed: As for `kprune.prune`, but `data` is
            read after each epoch: no generator.
        **options: Options of the method.

    Attributes:
        masks: Dict of the masks that emerged, by weight name, or `None`.
        emerged_epoch: Integer, the epoch after which they did, the first one
            being 1, or `None`.

    Raises:
        ValueError: If an argument does not fit, the model's part of which is
            told when training begins.

    Example:

    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss)
    >>> early_bird = kprune.callbacks.EarlyBird("magnitude", 0.5, window=3)
    >>> history = model.fit(
    ...     train, epochs=10, callbacks=[early_bird], verbose=0)
    >>> early_bird.emerged_epoch < 10
    True
    """

    def __init__(
        self,
        method="bn_gamma",
        sparsity=0.5,
        *,
        tolerance=0.1,
        window=5,
        stop=True,
        granularity=None,
        allocation=None,
        data=None,
        loss=None,
        scoring=None,
        exclude=(),
        seed=0,
        **options,
    ):
        super().__init__()
        axes = {"granularity": granularity, "allocation": allocation}
        self.pruner = recipes.get(method, **options).with_axes(
            rounds=1,
            schedule="one_shot",
            **{name: axis for name, axis in axes.items() if axis is not None},
        )
        self._sparsity = scope.sparsity_of(self.pruner.grain, sparsity)
        self._tolerance = _checked_tolerance(tolerance)
        self._stop = stop
        batches.refuse_what_is_read_once(data)
        self._looks = {"data": data, "loss": loss, "scoring": scoring}
        self._exclude = exclude
        seeds.check(seed)
        self._seed = seed
        self._before = collections.deque(maxlen=_checked_window(window) - 1)
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
        if state["masks"] is not None:
            self.masks = _unpacked(state["masks"])
        self.emerged_epoch = state["emerged_epoch"]

    def on_train_begin(self, logs=None):
        self._before.clear()
        self.masks = self.emerged_epoch = None
        # Raises now, not an epoch later, if the method does not fit the model.
        objective = self._objective()
        self.pruner.ranking(objective, objective.masks, 1)

    def on_epoch_end(self, epoch, logs=None):
        masks, new = self._draw(epoch + 1)
        distances = [_distance(new, old) for old in self._before]
        if logs is not None and distances:
            logs["mask_distance"] = max(distances)
        full = len(distances) == self._before.maxlen
        self._before.append(new)
        if self.masks is not None:
            return
        if full and max(distances) <= self._tolerance:
            self.masks, self.emerged_epoch = masks, epoch + 1
            if self._stop:
                self.model.stop_training = True

    def _objective(self):
        exclude = scope.left_out(self.model, self.pruner.grain, self._exclude)
        return Objective(
            self.model, **self._looks, seed=self._seed, exclude=exclude
        )

    def _draw(self, number):
        """Returns the masks that pruning the model as it is would give, and
        which groups are left, dicts of boolean arrays."""
        objective = self._objective()
        budget = Budget(
            self._sparsity,
            schedules.get("one_shot"),
            1,
            rule=self.pruner.count,
        )
        found = self.pruner.step(objective, objective.masks, budget, number)
        distribution.check_agreement(
            objective.strategy,
            found,
            "The workers found different masks. Expected the same data and "
            "the same kind of devices on all.",
        )
        grouping = self.pruner.grain.grouping(self.model, objective.layouts)
        return found, grouping.live(found)


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


def _checked_tolerance(tolerance):
    if not isinstance(tolerance, (int, float)) or not 0 <= tolerance <= 1:
        raise ValueError(
            "Invalid value for argument `tolerance`. Expected a number in "
            f"[0, 1]. Received: tolerance={tolerance!r}"
        )
    return tolerance


def _checked_window(window):
    if not isinstance(window, int) or window < 2:
        raise ValueError(
            "Invalid value for argument `window`. Expected an integer >= 2. "
            f"Received: window={window!r}"
        )
    return window
