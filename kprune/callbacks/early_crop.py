"""EarlyCroP: prunes once training has become lazy.

Rachwan et al., 2022, https://arxiv.org/abs/2206.10451.
"""

from typing import Any

import keras
import numpy as np

from kprune.callbacks.base import PruningCallback
from kprune.masking import wrapping
from kprune.pruning import recipes, scope
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks, distribution, types, user_warnings
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring import batches, config


class EarlyCroP(PruningCallback):
    """Prunes a wrapped model early in training, once its weights settle.

        d_t = |w_t - w_1| / |w_1|,  w_t all trained weights after epoch t
        prunes after the first epoch t >= 3 with
        |d_t - d_(t-1)| < (1 - sparsity) d_2

    From then on the network is nearly linear in its weights (the lazy kernel
    regime), so that its gradient flow, which `"crop"` preserves, stays what it
    is. The higher the sparsity, the later it prunes. Training continues with
    the kept weights. To start over instead, use `kprune.kept_weights` and
    compile again.

    Adds `weight_distance`, d_t, to Keras' `logs` from the second epoch until
    it has pruned, and `sparsity` and `kept` after each epoch.

    Args:
        method: A name that `kprune.prune` takes, a `kprune.Pruner` or a
            criterion. Defaults to `"crop"`, the paper's. All of its rounds
            run at once.
        sparsity: Share of the groups to remove, in [0, 1). Defaults to 0.9.
        latest: Integer >= 1, the epoch, counted from 1, after which it prunes
            in any case. Defaults to the last epoch, with a warning that the
            model has not trained since.
        data, loss, scoring, seed: As for `kprune.prune`, but `data` cannot be
            a generator.
        **options: As for `kprune.prune`: axes that replace the method's, such
            as `granularity` and `rounds`, and the method's own options.

    Attributes:
        pruned_epoch: Integer, the epoch after which it pruned, from 1, or
            `None`.

    Raises:
        ValueError: If an argument is invalid; when training begins, if the
            model has no masks (see `kprune.wrap`) or the method does not fit.

    Example:

    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model = kprune.wrap(model)
    >>> model.compile("adam", loss)
    >>> early = kprune.callbacks.EarlyCroP("crop", 0.9, latest=3, data=train)
    >>> history = model.fit(train, epochs=4, callbacks=[early], verbose=0)
    >>> early.pruned_epoch, round(history.history["sparsity"][-1], 3)
    (3, 0.9)
    """

    @checked(
        method=None,
        sparsity=None,
        latest=checks.optional(checks.at_least(1, ", an epoch")),
    )
    def __init__(
        self,
        method: types.Criterion | Pruner = "crop",
        sparsity: float | None = 0.9,
        *,
        latest: int | None = None,
        data: types.Data | None = None,
        loss: types.Loss | None = None,
        scoring: config.ScoringConfig | dict[str, Any] | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        batches.refuse_what_is_read_once(data)
        pruner = recipes.get(method, **options)
        super().__init__(pruner, data, loss, scoring, seed)
        self._sparsity = scope.sparsity_of(self.pruner.grain, sparsity)
        self._latest = latest
        self._first: list[np.ndarray] | None = None
        self._distances: list[float] = []
        self.pruned_epoch: int | None = None

    def get_state(self) -> dict[str, Any]:
        """Returns the state to resume from: distances and first weights."""
        return {
            "first": self._first,
            "distances": self._distances,
            "pruned_epoch": self.pruned_epoch,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned."""
        self._first = state["first"]
        self._distances = list(state["distances"])
        self.pruned_epoch = state["pruned_epoch"]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._forget()
        self.find_masked()
        self.note()
        # Raises now, not epochs later, if the method does not fit the model.
        objective = self.objective()
        self.pruner.ranking(objective, objective.masks, 1)

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self.pruned_epoch is None:
            settled = self._measure(logs)
            if settled or epoch + 1 == self._latest:
                self._prune(epoch + 1)
        self.log_masks(logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        epochs = self.params["epochs"]
        if self.pruned_epoch is None:
            user_warnings.warn(
                "Training ended before the weights settled. The model was "
                "pruned now, and has not trained since: train longer, or set "
                "`latest` to an epoch to prune after."
            )
            self._prune(epochs)

    def _forget(self) -> None:
        self._first, self._distances = None, []
        self.pruned_epoch = None

    def _measure(self, logs):
        """Records the distance after an epoch; returns whether the weights
        have settled."""
        now = [
            np.asarray(keras.ops.convert_to_numpy(v), np.float64)
            for v in self.model.trainable_variables
        ]
        if self._first is None:
            self._first = now
            return False
        moved = [w - v for w, v in zip(now, self._first, strict=True)]
        distance = _norm(moved) / _norm(self._first)
        if logs is not None:
            logs["weight_distance"] = distance
        self._distances.append(distance)
        if len(self._distances) < 2:
            return False
        start, before = self._distances[0], self._distances[-2]
        return abs(distance - before) < (1 - self._sparsity) * start

    def _prune(self, epoch):
        objective = self.objective()
        masks = self.pruner.masks(objective, self._sparsity)
        objective.hand_on()
        distribution.check_masks(objective.strategy, masks)
        wrapping.set_masks(self.model, masks)
        self._first, self.pruned_epoch = None, epoch


def _norm(arrays):
    return float(np.sqrt(sum(np.sum(np.square(a)) for a in arrays)))


METHOD = Method(
    "EarlyCroP",
    call='kprune.callbacks.EarlyCroP("crop", 0.9, data=data)',
    paper="Rachwan et al., 2022",
    link="https://arxiv.org/abs/2206.10451",
    test="tests/callbacks/test_early_crop.py::test_when_it_prunes",
    deviation="the moment is the released code's, for single weights; the "
    "optimizer goes on where the released code begins a new training; one "
    "round, unless `rounds` says otherwise",
)
