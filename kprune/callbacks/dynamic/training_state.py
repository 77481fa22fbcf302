"""The state a dynamic method sees, and its answer."""

import dataclasses
import functools

import numpy as np

from kprune.runtime import seeds


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingState:
    """A training between two steps, as an updater sees it.

    All dicts are by weight name, with arrays of the weight's shape in float32
    or wider.

    Args:
        step: Integer, how many steps are done.
        progress: How much of the time between begin and end is over, in
            [0, 1].
        weights, masks: Dicts of the stored values, zero where pruned (but for
            methods that keep values under the mask), and of the masks.
        seed: Integer, the seed of the training.
        gradients: Dict of the gradients of the loss on the coming batch,
            dense, if the updater asks for them.
        momenta: Dict of the optimizer's momenta, if it asks for them.
        learning_rate: Float, that of the step just done, for an updater that
            acts after each step.
        updates_left: Integer, how many updates come after this one, if that
            is known.
        layouts: Dict of the `kprune.masking.layouts.Layout` of each weight.
    """

    step: int
    progress: float
    weights: dict
    masks: dict
    seed: int = 0
    gradients: dict | None = None
    momenta: dict | None = None
    learning_rate: float | None = None
    updates_left: int | None = None
    layouts: dict | None = None

    def rng(self, *names):
        """Returns a generator of the seed, these names and the step alone: the
        same on all workers and in a resumed run."""
        return seeds.stream(self.seed, *names, self.step)

    @functools.cached_property
    def kept(self):
        """Dict of how many entries each mask keeps."""
        return counts(self.masks)


def counts(masks):
    """Returns how many entries each of some masks keeps, a dict."""
    return {name: int(np.count_nonzero(m)) for name, m in masks.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class MaskUpdate:
    """What an update comes to.

    Args:
        masks: Dict of the new masks by name.
        fresh: Dict of boolean arrays: the entries that begin anew, at the
            value 0 and with the optimizer's slots at 0. Defaults to those
            that were pruned before.
        weights: Dict of new stored values, where the method moves weights.
    """

    masks: dict
    fresh: dict | None = None
    weights: dict | None = None
