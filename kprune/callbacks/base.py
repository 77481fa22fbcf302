"""The common base of callbacks that prune by a `kprune.Pruner`."""

import keras
import numpy as np

from kprune.masking import weights, wrapping
from kprune.pruning import scope
from kprune.runtime import distribution, seeds, user_warnings
from kprune.scoring import config
from kprune.scoring.objective import Objective


class PruningCallback(keras.callbacks.Callback):
    """Lets a pruner look at a model while it trains.

    A subclass calls `find_weights` or `find_masked` in `on_train_begin`, and
    `draw`, a round of the pruner, whenever masks are due. `left_out` then says
    which weights stay dense, and why.
    """

    def __init__(self, pruner, data=None, loss=None, scoring=None, seed=0):
        super().__init__()
        seeds.check(seed)
        self.pruner = pruner
        self._data = data
        self._loss = loss
        self._scoring = config.get(scoring, pruner.scoring)
        self._seed = seed

    def find_weights(self):
        """Finds out which weights take part."""
        self.left_out = scope.left_out(self.model, self.pruner)

    def find_masked(self):
        """Finds the weights to be pruned, each of which must have a mask."""
        wrapping.get_masks(self.model)  # Raises if there is none.
        found = weights.prunable(self.model).items()
        if bare := [name for name, w in found if w.mask is None]:
            raise ValueError(
                f"Model {self.model.name!r} has weights that can be pruned and "
                f"have no mask: {', '.join(bare)}. They may have been frozen "
                "before. Wrap the model again: model = kprune.wrap(model)."
            )
        self.find_weights()
        if not self.current_masks():
            raise ValueError(
                f"Nothing of model {self.model.name!r} is left to prune. "
                "Expected one weight at least that is not left out. Received: "
                f"{self.left_out}"
            )

    def note(self):
        """Records in the model why weights are left out."""
        wrapping.set_notes(self.model, self.left_out)

    def current_masks(self):
        """Returns the masks of the weights that take part, by name."""
        masks = wrapping.get_masks(self.model)
        found = weights.prunable(self.model)
        return {n: masks[n] for n in found if n not in self.left_out}

    def objective(self):
        """Returns the model as it is now, as an `Objective`."""
        how = {"seed": self._seed, "exclude": tuple(self.left_out)}
        data, loss = self.data(), self._loss
        return Objective(self.model, data, loss, self._scoring, **how)

    def data(self):
        """Returns what the criterion looks at, as for `kprune.prune`."""
        return self._data

    def draw(self, budget, number):
        """Returns the masks before a round of the pruner, numbered from 1, and
        those that it leads to. Changes nothing."""
        objective = self.objective()
        before = objective.masks
        after = self.pruner.step(objective, before, budget, number)
        objective.hand_on()
        distribution.check_masks(objective.strategy, after)
        return before, after

    def log_masks(self, logs):
        """Adds `sparsity` and `kept` to Keras' `logs`, and returns how many
        entries there are."""
        masks = self.current_masks()
        total = sum(mask.size for mask in masks.values())
        kept = sum(int(np.count_nonzero(mask)) for mask in masks.values())
        if logs is not None:
            logs.update(sparsity=1 - kept / total, kept=kept)
        return total

    def ended_early(self, clock, what):
        """Whether training ended before the clock's end, at which happens
        `what`, with a warning if so."""
        step, end = clock.step, clock.end
        if step is None or step >= end:
            return False
        user_warnings.warn(
            f"Training ended after {step} steps, before the {end} {what}. The "
            "model was pruned to the final sparsity, and has not trained since."
        )
        return True
