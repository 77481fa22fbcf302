"""The common base of callbacks that prune by a `kprune.Pruner`."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kprune.callbacks.step_counter import StepCounter
from kprune.masking import weights, wrapping
from kprune.masking.masks import Budget
from kprune.pruning import scope
from kprune.pruning.pruner import Pruner
from kprune.runtime import distribution, seeds, types, user_warnings
from kprune.scoring import config
from kprune.scoring.objective import Objective


class PruningCallback(keras.callbacks.Callback):
    """Base callback that runs a pruner on the model in training.

    A subclass calls `find_weights` or `find_masked` in `on_train_begin`, and
    `draw`, which runs a round of the pruner, whenever masks are due.
    `left_out` maps the weights that stay dense to the reason.
    """

    def __init__(
        self,
        pruner: Pruner,
        data: types.Data | None = None,
        loss: types.Loss | None = None,
        scoring: config.ScoringConfig | dict[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        seeds.check(seed)
        self.pruner = pruner
        self._data = data
        self._loss = loss
        own: Any = pruner.scoring  # A `ScoringConfig`, whatever it was made of.
        self._scoring = config.get(scoring, own)
        self._seed = seed

    def find_weights(self) -> None:
        """Sets `left_out`, the weights that are not pruned."""
        self.left_out = scope.left_out(self.model, self.pruner)

    def find_masked(self) -> None:
        """Sets `left_out`; raises unless all weights to prune have masks."""
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
                "Expected at least one prunable weight. Received, with "
                f"reasons: {self.left_out}"
            )

    def note(self) -> None:
        """Records in the model why weights are left out."""
        wrapping.set_notes(self.model, self.left_out)

    def current_masks(self) -> dict[str, np.ndarray]:
        """Returns the masks of the weights that are pruned, by name."""
        masks = wrapping.get_masks(self.model)
        found = weights.prunable(self.model)
        return {n: masks[n] for n in found if n not in self.left_out}

    def objective(self) -> Objective:
        """Returns an `Objective` of the model's current weights and masks."""
        how: dict[str, Any] = {
            "seed": self._seed,
            "exclude": tuple(self.left_out),
        }
        data, loss = self.data(), self._loss
        return Objective(self.model, data, loss, self._scoring, **how)

    def data(self) -> Iterable[Any] | None:
        """Returns the criterion's data, as for `kprune.prune`."""
        return self._data

    def draw(
        self, budget: Budget, number: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Runs a round of the pruner without modifying the model.

        Args:
            budget: The `Budget` to prune to.
            number: Integer, the number of the round, from 1.

        Returns:
            The masks before and after the round, dicts by weight name.
        """
        objective = self.objective()
        before = objective.masks
        after = self.pruner.step(objective, before, budget, number)
        objective.hand_on()
        distribution.check_masks(objective.strategy, after)
        return before, after

    def log_masks(self, logs: dict[str, Any] | None) -> int:
        """Adds `sparsity` and `kept` to `logs`; returns the number of mask
        entries."""
        masks = self.current_masks()
        total = sum(mask.size for mask in masks.values())
        kept = sum(int(np.count_nonzero(mask)) for mask in masks.values())
        if logs is not None:
            logs.update(sparsity=1 - kept / total, kept=kept)
        return total

    def ended_early(self, clock: StepCounter, what: str) -> bool:
        """Returns whether training ended before `clock.end`, and warns if so;
        `what` completes the warning's "before the {end} ..."."""
        step, end = clock.step, clock.end
        if step is None or step >= end:
            return False
        user_warnings.warn(
            f"Training ended after {step} steps, before the {end} {what}. The "
            "model was pruned to the final sparsity, and has not trained since."
        )
        return True
