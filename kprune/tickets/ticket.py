"""A ticket: masks and the weights they start from."""

import dataclasses

import keras
import numpy as np

from kprune.masking import wrapping
from kprune.tickets import learning_rates
from kprune.tickets.rewinding import Point, rewind


@dataclasses.dataclass(frozen=True, eq=False)
class Start:
    """Where the training of a level begins: with the values of a `Point`, in
    copies of a wrapped and compiled template.

    Args:
        step: Integer, the step of the whole training that comes first.
        rate: Integer, the step whose learning rate comes first.
        held: Whether the learning rate stays as it is then.
        kept: Dict of masks, outside of which the values have lost what was
            pruned before them. `None`: they have lost nothing.
    """

    template: keras.Model
    values: Point
    step: int
    rate: int
    held: bool = False
    kept: dict | None = None

    def model(self, masks):
        """Returns a new model, compiled with a fresh optimizer."""
        model = wrapping.wrap(self.template)
        learning_rates.take_up(model.optimizer, self.rate, self.held)
        rewind(model, self.values, masks)
        return model


@dataclasses.dataclass(frozen=True, eq=False)
class Ticket:
    """What a level of iterative magnitude pruning gives.

    Args:
        level: Integer, how often it was pruned. Level 0 is the dense network.
        sparsity: Float, the share of the prunable weights that is gone.
            Weights that are left out by `exclude` do not count.
        model: The model with its masks, trained at this level, compiled. Read
            from a directory, it has a fresh optimizer, at the rate that the
            level began with.
        masks: Dict from weight name to boolean array.
        history: Dict of lists, what was measured at the end of each epoch of
            this level, as in Keras' `History.history`.
        start: Where the training of this level began.
        examples: Array of integers in rising order, the places of the
            examples that it was trained on. `None` of a search that does not
            choose among them.
    """

    level: int
    sparsity: float
    model: keras.Model
    masks: dict
    history: dict
    start: Start = dataclasses.field(repr=False)
    examples: np.ndarray | None = dataclasses.field(default=None, repr=False)

    @property
    def first_step(self):
        """The step of the whole training that this level began at."""
        return self.start.step

    @property
    def metrics(self):
        """Dict of what was measured at the end of the last epoch."""
        return {name: values[-1] for name, values in self.history.items()}

    def rewound(self, masks=None):
        """Returns the ticket as it was before it was trained at this level.

        That is, a new model with the masks on the weights that they were
        rewound to, compiled with a fresh optimizer. Trained from step
        `first_step` on, it becomes `model`; if that was trained on some of
        the examples alone, it becomes what all of them make of the ticket.

        Args:
            masks: Dict of other masks to put on the same weights, such as
                these shuffled. Defaults to the ticket's own.

        Returns:
            A wrapped Keras model.

        Raises:
            ValueError: If the masks do not fit, or keep what the weights to
                rewind to have lost, or these have been changed since they
                were stored.
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
    """Returns the share of entries that are False in some of the masks."""
    total = sum(masks[name].size for name in counted)
    kept = sum(int(np.count_nonzero(masks[name])) for name in counted)
    return (total - kept) / total
