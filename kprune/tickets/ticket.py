"""A ticket: masks and the weights they start from."""

import dataclasses
from typing import Any

import keras
import numpy as np

from kprune.masking import wrapping
from kprune.runtime import types
from kprune.tickets import learning_rates
from kprune.tickets.rewinding import Point, rewind


@dataclasses.dataclass(frozen=True, eq=False)
class Start:
    """The start of a level's training.

    Args:
        template: A wrapped and compiled model, which new models are copied
            from.
        values: The `Point` with the values to start from.
        step: Integer, the first step, counted in the whole training.
        rate: Integer, the step of the schedule whose rate comes first.
        held: Whether the learning rate stays constant at that step.
        kept: Dict of the masks that pruned `values`, or `None` if they are
            dense. Pruned values are lost.
    """

    template: keras.Model
    values: Point
    step: int
    rate: int
    held: bool = False
    kept: dict[str, np.ndarray] | None = None

    def model(self, masks: types.Masks) -> types.Model:
        """Returns a new model with masks, compiled with a fresh optimizer."""
        model = wrapping.wrap(self.template)
        learning_rates.take_up(model.optimizer, self.rate, self.held)
        rewind(model, self.values, masks)
        return model


@dataclasses.dataclass(frozen=True, eq=False)
class Ticket:
    """The result of one level of iterative pruning.

    Args:
        level: Integer, how often it was pruned. Level 0 is the dense network.
        sparsity: Float, the share of the prunable weights that is removed.
            Weights in `exclude` do not count.
        model: The model with its masks, trained at this level, compiled. If
            it was read from a directory, it has a fresh optimizer, at the
            rate that the level began with.
        masks: Dict from weight name to boolean array.
        history: Dict of lists, the logs at the end of each epoch of this
            level, as in Keras' `History.history`.
        start: The `Start` of this level's training.
        examples: Array of integers in ascending order, the indices of the
            examples that it was trained on. `None` for a search that does not
            choose examples.
    """

    level: int
    sparsity: float
    model: keras.Model
    masks: dict
    history: dict
    start: Start = dataclasses.field(repr=False)
    examples: np.ndarray | None = dataclasses.field(default=None, repr=False)

    @property
    def first_step(self) -> int:
        """The step of the whole training that this level began at."""
        return self.start.step

    @property
    def metrics(self) -> dict[str, Any]:
        """Dict of the logs at the end of the last epoch."""
        return {name: values[-1] for name, values in self.history.items()}

    def rewound(self, masks: types.Masks | None = None) -> types.Model:
        """Returns the ticket before its training at this level.

        It is a new model with the masks and the weights that they were rewound
        to, compiled with a fresh optimizer. Trained from step `first_step` on,
        it becomes `model`, unless that was trained on some `examples` only.

        Args:
            masks: Dict of other masks to put on the same weights, such as
                shuffled ones. Defaults to the ticket's own.

        Returns:
            A wrapped Keras model.

        Raises:
            ValueError: If the masks do not fit, or keep entries whose values
                were pruned before, or the stored weights have been changed.
        """
        masks, kept = masks or {}, self.start.kept or {}
        lost = [n for n in masks if n in kept and (masks[n] & ~kept[n]).any()]
        if lost:
            raise ValueError(
                "The masks keep entries that were pruned before, and whose "
                f"values are gone, of: {', '.join(lost)}. Expected masks "
                "within those, or a search that rewinds (`rewind_weights` of "
                "'rewind' or 'init')."
            )
        return self.start.model({**self.masks, **masks})


def sparsity(masks, counted):
    """Returns the share of False entries in the masks named in `counted`."""
    total = sum(masks[name].size for name in counted)
    kept = sum(int(np.count_nonzero(masks[name])) for name in counted)
    return (total - kept) / total
